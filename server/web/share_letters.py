"""What the mails about Magic Links say, in the language of who gets them."""

from collections.abc import Mapping

from server.web.share_texts import day, text


def write(kind: str, language: str, values: Mapping[str, str | int]) -> tuple[str, str]:
    """Subject and text of a kind of notice."""
    shown = dict(values) | {"until": day(language, int(values["until"]))}
    lines = [text(language, f"mail.{kind}", **shown)]
    if kind == "link":
        lines = [text(language, "mail.link"), str(values["url"])]
        lines += [
            text(language, f"mail.{values['factor']}"),
            text(language, "more.until", day=shown["until"]),
        ]
        lines.append(text(language, "mail.unasked"))
    if values["phone"]:
        lines.append(text(language, "phone", phone=values["phone"]))
    return text(language, f"mail.{kind}.subject"), "\n\n".join(lines) + "\n"
