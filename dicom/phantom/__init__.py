"""Makes believable studies of people who do not exist, for the demo, tests and benches.

Every picture is drawn from shapes and waves, so everybody may keep and share it. The same
arguments always give the same bytes: sending them twice changes nothing.
"""

from dicom.phantom.ct import Plan, ct_study
from dicom.phantom.objects import Person, Study, uid

__all__ = ["DEMO_PERSON", "Person", "Plan", "Study", "ct_study", "uid"]

DEMO_PERSON = Person("DEMO-1001", "Serra^Júlia", "19620517", "F", "DEMO", "2.25.7771")
