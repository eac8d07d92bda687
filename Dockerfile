# Triptych as an ordinary user, with one writable volume. `make image-check` carries these steps out without Docker.
FROM debian:bookworm-slim AS packages
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
COPY requirements/run.txt /tmp/run.txt
# Every package comes as a wheel and is checked by its hash; pip itself stays behind.
RUN python3 -m venv /opt/triptych \
    && /opt/triptych/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps -r /tmp/run.txt \
    && /opt/triptych/bin/pip uninstall --yes setuptools pip

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin triptych \
    && install --directory --owner triptych --mode 0700 /data
COPY --from=packages /opt/triptych /opt/triptych
COPY LICENSE /srv/triptych/LICENSE
COPY dicom /srv/triptych/dicom
COPY fhir /srv/triptych/fhir
COPY hl7 /srv/triptych/hl7
COPY server /srv/triptych/server
COPY smart_apps /srv/triptych/smart_apps
WORKDIR /srv/triptych
# Native code that misses a library of the system should fail here, not on the first picture.
RUN /opt/triptych/bin/python -c "import gdcm, imagecodecs, jpeg_ls, openjpeg, psycopg, simplejpeg" \
    && /opt/triptych/bin/python -m compileall -q dicom fhir hl7 server smart_apps
ENV PATH=/opt/triptych/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 TRIPTYCH_DATA=/data TRIPTYCH_HOST=0.0.0.0
USER 10001
VOLUME /data
EXPOSE 8080 11112 2575
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "server"]
CMD ["serve"]
