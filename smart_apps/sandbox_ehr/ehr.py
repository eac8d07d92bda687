"""What the sandbox EHR asks of the server: a token, patients, launches."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from ..local_site import Trouble

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PATIENCE = 20
# A token is renewed a while before it ends.
_MARGIN = 30


@dataclass(slots=True)
class Ehr:
    """A client of the server, and the apps that it may launch, names by client_id."""

    server: str
    client: str
    key: ECKey
    apps: dict[str, str]
    user: str = ""
    _token: str = ""
    _scope: str = ""
    _until: float = 0.0
    _session: requests.Session = field(default_factory=requests.Session)

    def offered(self, _: dict[str, Any]) -> list[dict[str, str]]:
        """The apps that can be launched."""
        return [{"id": id_, "name": name} for id_, name in self.apps.items()]

    def patients(self, _: dict[str, Any]) -> list[dict[str, str]]:
        """The first hundred patients, as the page shows them."""
        url = f"{self.server}/fhir/Patient?active:not=false&_sort=family&_count=100"
        answer = self._ask("GET", url, headers={"Authorization": f"Bearer {self._bearer()}"})
        return [_shown(entry["resource"]) for entry in answer.get("entry", [])]

    def studies(self, asked: dict[str, Any]) -> list[dict[str, str]]:
        """The studies of a patient, the latest first; none where this EHR may not read them."""
        token = self._bearer()
        if "system/ImagingStudy" not in self._scope:
            return []
        words = {"patient": str(asked.get("patient")), "_sort": "-started", "_count": "50"}
        url, headers = f"{self.server}/fhir/ImagingStudy", {"Authorization": f"Bearer {token}"}
        answer = self._ask("GET", url, params=words, headers=headers)
        return [_study(entry["resource"]) for entry in answer.get("entry", [])]

    def launch(self, asked: dict[str, Any]) -> dict[str, str]:
        """An address that starts an app for a patient, and perhaps a study, good for one use."""
        if asked.get("app") not in self.apps:
            raise Trouble("This page does not offer such an app.")
        form = {"client": asked["app"], "patient": str(asked.get("patient")), "user": self.user}
        form["need_patient_banner"] = "false" if asked.get("shown") else "true"
        if asked.get("study"):
            form["context"] = f"ImagingStudy/{asked['study']}"
        answer = self._ask(
            "POST", f"{self.server}/oauth/launch", data=form | self._proof("/oauth/launch")
        )
        return {"url": answer["url"], "launch": answer["launch"]}

    def end(self, asked: dict[str, Any]) -> dict[str, str]:
        """End the view that came of a launch: the record is closed."""
        form = {"token": str(asked.get("launch"))} | self._proof("/oauth/revoke")
        self._ask("POST", f"{self.server}/oauth/revoke", data=form)
        return {}

    def _bearer(self) -> str:
        if time.time() > self._until:
            url = f"{self.server}/oauth/token"
            scope = "system/Patient.rs system/ImagingStudy.rs"
            form = {"grant_type": "client_credentials", "scope": scope}
            answer = self._ask("POST", url, data=form | self._proof("/oauth/token"))
            self._token, self._scope = answer["access_token"], answer["scope"]
            self._until = time.time() + answer["expires_in"] - _MARGIN
        return self._token

    def _proof(self, path: str) -> dict[str, str]:
        """A signed assertion of who asks (SMART App Launch 2.2, asymmetric clients)."""
        claims = {
            "iss": self.client,
            "sub": self.client,
            "aud": self.server + "/oauth/token",
            "exp": int(time.time()) + 240,
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": "ES384", "kid": self.key.kid, "typ": "JWT"}
        signed = jwt.encode(header, claims, self.key, algorithms=["ES384"])
        return {"client_assertion_type": _JWT_BEARER, "client_assertion": signed}

    def _ask(self, method: str, url: str, **more: Any) -> Any:
        """The JSON of an answer; whatever else comes is trouble in words."""
        try:
            answer = self._session.request(method, url, timeout=_PATIENCE, **more)
            told = answer.json()
        except requests.RequestException as error:
            raise Trouble(f"The server at {self.server} does not answer as it should.") from error
        if answer.status_code >= 400:
            words = told.get("error_description") or told["issue"][0]["diagnostics"]
            raise Trouble(f"The server refused: {words}")
        return told


def _study(study: dict[str, Any]) -> dict[str, str]:
    kinds = " ".join(one.get("code", "") for one in study.get("modality", []))
    words = [study.get("started", "")[:10], kinds, study.get("description", "")]
    return {"id": study["id"], "name": " · ".join(filter(None, words)) or "Study"}


def _shown(patient: dict[str, Any]) -> dict[str, str]:
    name: dict[str, Any] = next(iter(patient.get("name", [])), {})
    words = [name.get("family", ""), " ".join(name.get("given", []))]
    number: dict[str, Any] = next(iter(patient.get("identifier", [])), {})
    return {
        "id": patient["id"],
        "name": name.get("text") or ", ".join(filter(None, words)) or "Name not known",
        "born": patient.get("birthDate", ""),
        "sex": patient.get("gender", ""),
        "number": number.get("value", ""),
    }
