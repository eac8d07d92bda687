"""Short HL7 v2 messages for tests, made of the segments that matter."""

from hl7.message import Message, parse

PID = "PID|1||100^^^HOSP^MR||Sample^Ann||19700101|F"


def packed(kind: str, *segments: str, charset: str = "UNICODE UTF-8", **msh: str) -> bytes:
    """Pack a message; `msh` replaces fields by name, such as control="2" or accept="AL"."""
    fields = {
        "application": "RIS",
        "facility": "HOSP",
        "sent": "20260905120000",
        "control": "MSG1",
        "processing": "P",
        "version": "2.5.1",
        "accept": "",
        "application_ack": "",
    } | msh
    head = [
        "MSH|^~\\&",
        fields["application"],
        fields["facility"],
        "PACS",
        "HOSP",
        fields["sent"],
        "",
        kind,
        fields["control"],
        fields["processing"],
        fields["version"],
        "",
        "",
        fields["accept"],
        fields["application_ack"],
        "",
        charset,
    ]
    return "".join(f"{line}\r" for line in ("|".join(head), *segments)).encode()


def built(kind: str, *segments: str, charset: str = "UNICODE UTF-8", **msh: str) -> Message:
    """Pack a message and open it."""
    return parse(packed(kind, *segments, charset=charset, **msh))


def obr(**fields: str) -> str:
    """Write an OBR with fields by number: obr(f3="FIL1", f25="F")."""
    return segment("OBR", **fields)


def segment(name: str, **fields: str) -> str:
    """Write a segment with fields by number."""
    numbered = {int(key[1:]): value for key, value in fields.items()}
    highest = max(numbered, default=0)
    return "|".join([name, *(numbered.get(number, "") for number in range(1, highest + 1))])


def obx(
    kind: str, question: str, value: str, status: str = "F", sub_id: str = "", units: str = ""
) -> str:
    """Write an OBX."""
    return f"OBX|1|{kind}|{question}|{sub_id}|{value}|{units}|||||{status}"
