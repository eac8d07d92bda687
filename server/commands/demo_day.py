"""What happens in the sample hospital, in its order: who comes, what is ordered, made and reported."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from dicom.phantom import DEMO_PERSON, Person, Plan, Study, ct_study
from dicom.phantom.papers import document, dose_report, key_object
from dicom.phantom.studies import KNEE as STACKS
from dicom.phantom.studies import chest_study, knee_study, ultrasound_study
from server.commands import demo_words as words
from server.commands.demo_words import Patient, Report

Files = Callable[[], Iterator[bytes]]


def _person(number: str, name: str, birth_date: str, sex: str) -> Person:
    return Person(number, name, birth_date, sex, DEMO_PERSON.issuer, DEMO_PERSON.issuer_oid)


JULIA = Patient(DEMO_PERSON, "Carrer del Far 12^^Vilademar^^08999^ES", "+34 555 010 101", "ca")
ELENI = Patient(
    _person("DEMO-1002", "Παπαδάκη^Ελένη", "20160309", "F"),
    "Plaça Nova 3^^Vilademar^^08999^ES",
    "+34 555 010 102",
    "el",
)
STEN = Patient(
    _person("DEMO-1003", "Ødegård^Sten", "19410412", "M"),
    "Passeig Marítim 8^^Vilademar^^08999^ES",
    "+34 555 010 103",
    "no",
)
# The same woman, registered a second time by somebody in a hurry; and Sten as the X-ray room knew him.
JULIA_TWICE = Patient(_person("DEMO-2001", "Serra^Julia", "19620517", "F"), "", "", "ca")
STEN_MISTYPED = _person("DEMO-1003", "Ødegård^Sten", "19140412", "M")
PATIENTS = (JULIA, ELENI, STEN)

EARLIER = Plan(
    "head-2025", "20251118", "164000", "DEMO-A-0", "CT head without contrast", 24, 384, 5, 13
)
NOW = Plan("head-2026", "20261120", "091500", "DEMO-A-1", "CT head without contrast", 40, 384, 3)
KEYS = (20, 15, 27)
HEAD_THEN, HEAD_NOW = EARLIER.of(JULIA_TWICE.person), NOW.of(JULIA.person)
KNEE = Study("knee", ELENI.person, "20261120", "110000", "DEMO-A-2", "MRI right knee", "KNEE")
ABDOMEN = Study(
    "abdomen", STEN.person, "20261120", "143000", "DEMO-A-3", "Ultrasound abdomen", "ABDOMEN"
)
CHEST_LOST = Study("chest-lost", STEN_MISTYPED, "20261120", "152000", "DEMO-A-4", "Chest", "CHEST")
CHEST = Study("chest", JULIA.person, "20261123", "083000", "DEMO-A-5", "Chest X-ray", "CHEST")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day: messages, then files, then messages again."""

    label: str
    before: tuple[bytes, ...]
    files: Files
    count: int
    after: tuple[bytes, ...] = ()


def day() -> Iterator[Part]:
    """The parts, in the order in which they happened."""
    yield _a_year_ago()
    yield _head()
    yield _knee()
    yield _abdomen()
    yield _mismatch()
    yield _chest()


def _a_year_ago() -> Part:
    found = Report(
        "20251118171000",
        "F",
        (
            ("Indication", "Headache for two weeks, a fall on the stairs a month ago."),
            ("Findings", "A crescent of fluid, up to 13 mm thick, over the left side of the brain. "
             "The midline is pushed to the right by 5 mm. No fracture."),
            ("Impression", "Chronic subdural collection on the left with slight midline shift."),
        ),
        "I62.0^Nontraumatic subdural haemorrhage^I10",
    )  # fmt: skip
    return Part(
        "A year ago: Julia's first head CT",
        (
            words.admission(JULIA_TWICE, "20251118155000"),
            words.order(JULIA_TWICE, HEAD_THEN, "20251118160000", "Headache after a fall"),
        ),
        partial(ct_study, JULIA_TWICE.person, EARLIER),
        EARLIER.slices,
        (words.result(JULIA_TWICE, HEAD_THEN, found),),
    )


def _head() -> Part:
    return Part(
        "Júlia's head CT, its dose and key pictures",
        (
            words.admission(JULIA, "20261120083000"),
            words.order(JULIA, HEAD_NOW, "20261120083500", "Follow-up of a subdural collection"),
        ),
        _head_files,
        NOW.slices + 2,
        tuple(_head_reports()),
    )


def _head_files() -> Iterator[bytes]:
    person = JULIA.person
    yield from ct_study(person, NOW)
    yield key_object(person, NOW, KEYS, "No collection any more")
    yield dose_report(person, NOW, 48.2, 720.5)


def _head_reports() -> Iterator[bytes]:
    """First in haste, then after the two records were joined, then with the right side."""
    quick = (("Impression", "No fresh bleeding. Full report follows."),)
    yield words.result(JULIA, HEAD_NOW, Report("20261120093000", "P", quick))
    yield words.merge(JULIA, JULIA_TWICE, "20261120100000")
    yield words.result(JULIA, HEAD_NOW, Report("20261120111500", "F", _compared("right")))
    note = (
        "Corrected at 16:05: the collection of 2025 lay on the left. The first version said right."
    )
    sections = (*_compared("left"), ("Addendum", note))
    code = "Z09.8^Follow-up examination after other treatment for other conditions^I10"
    yield words.result(
        JULIA, HEAD_NOW, Report("20261120160500", "C", sections, code, document=True)
    )


def _compared(side: str) -> words.Sections:
    return (
        ("Indication", f"Follow-up of a subdural collection on the {side}."),
        ("Technique", "Axial CT of the head without contrast, slices of 3 mm."),
        ("Comparison", "CT of 18 November 2025."),
        ("Findings", f"The crescent of fluid over the {side} side of the brain has gone. The midline is "
         "in the middle. Ventricles and furrows are of normal width for the age. No fresh bleeding."),
        ("Impression", f"Complete recovery: the subdural collection on the {side} of 2025 has gone."),
    )  # fmt: skip


def _knee() -> Part:
    found = Report(
        "20261120123000",
        "F",
        (
            ("Indication", "Fell at football two days ago, pain on the outer side."),
            ("Technique", "MRI of the right knee in three planes, without contrast."),
            ("Findings", "A bruise of the bone in the outer condyle and some fluid in the joint. "
             "Ligaments and menisci are whole, the growth plates are open and even."),
            ("Impression", "Bone bruise of the right knee. No tear."),
        ),
        "S80.0^Contusion of knee^I10",
    )  # fmt: skip
    return Part(
        "Ελένη's knee MRI in four series",
        (
            words.admission(ELENI, "20261120103000"),
            words.order(ELENI, KNEE, "20261120103500", "Knee pain after a fall"),
        ),
        partial(knee_study, KNEE),
        sum(len(stack.places) for stack in STACKS),
        (words.result(ELENI, KNEE, found),),
    )


def _abdomen() -> Part:
    return Part(
        "Sten's ultrasound, with its report as a document",
        (
            words.admission(STEN, "20261120140000"),
            words.order(STEN, ABDOMEN, "20261120140500", "Pain below the right ribs"),
        ),
        _abdomen_files,
        3,
    )


def _abdomen_files() -> Iterator[bytes]:
    yield from ultrasound_study(ABDOMEN)
    report = Report(
        "20261120145500",
        "F",
        (
            ("Indication", "Pain below the right ribs."),
            ("Findings", "Liver of normal size and texture, portal vein open, flow towards the liver. "
             "Gallbladder without stones. Right kidney without obstruction."),
            ("Impression", "Normal upper abdomen."),
        ),
    )  # fmt: skip
    title = "Report of the ultrasound"
    yield document(ABDOMEN, title, words.document(STEN, ABDOMEN, report))


def _mismatch() -> Part:
    return Part(
        "A chest X-ray of Sten's number with another birth date",
        (),
        partial(chest_study, CHEST_LOST, pixel=0.4, pacemaker=True),
        1,
    )


def _chest() -> Part:
    first = (("Impression", "No pneumonia on first sight. The final report follows."),)
    return Part(
        "Júlia's chest X-ray, its report not final yet",
        (words.order(JULIA, CHEST, "20261123081000", "Cough for three weeks"),),
        partial(chest_study, CHEST),
        1,
        (words.result(JULIA, CHEST, Report("20261123084500", "P", first)),),
    )
