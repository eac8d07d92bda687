"""Value representations: which have 32-bit lengths, and what to assume where none is written."""

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, private_dictionary_VR

from dicom.dataset import DataSet

UNDEFINED = 0xFFFFFFFF
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

_SHORT_CODES = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_LONG_CODES = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
# Explicit VR by its two bytes: those with a 16-bit length and those with 32 (PS3.5 7.1.2).
SHORT = {code.encode(): code for code in _SHORT_CODES.split()}
LONG = {code.encode(): code for code in _LONG_CODES.split()}

_WAVEFORM = frozenset({0x54000110, 0x54000112, 0x5400100A, 0x54001010})
_LUT_DATA = 0x00283006


def known_vr(tag: int, within: DataSet) -> str:
    """The VR that the dictionaries give a tag, UN when they have none (PS3.5 6.2.2, PS3.6)."""
    entry = DicomDictionary.get(tag)
    if entry is not None:
        return entry[0]
    if tag & 0xFFFF == 0:
        return "UL"
    if tag & 0x10000:
        return _private_vr(tag, within)
    return _repeating_vr(tag)


def _private_vr(tag: int, within: DataSet) -> str:
    """VR of a private tag: LO for a creator, else what pydicom knows of that creator."""
    block = tag >> 8 & 0xFF
    if block == 0:
        return "LO" if tag & 0xFF >= 0x10 else "UN"
    creator = within.text(tag & 0xFFFF0000 | block)
    return _creators_vr(tag, creator) if creator else "UN"


@lru_cache(maxsize=4096)
def _creators_vr(tag: int, creator: str) -> str:
    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"


@lru_cache(maxsize=1024)
def _repeating_vr(tag: int) -> str:
    """VR of overlay and curve groups (50xx, 60xx), which the dictionary masks."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def settled_vr(tag: int, vr: str, within: DataSet) -> str:
    """One VR where implicit encoding leaves a choice, such as US or SS (PS3.5 annex A)."""
    if " or " not in vr:
        return vr
    if tag == _LUT_DATA:
        return "US" if _lut_entries(within) == 1 else "OW"
    if vr == "US or SS":
        return "SS" if _is_signed(within) else "US"
    if tag in _WAVEFORM:
        return "OW"
    element = within.elements[tag]
    return "OB" if element.fragments is not None else "OW"


def _lut_entries(within: DataSet) -> int:
    """Number of entries a LUT Descriptor (0028,3002) states."""
    return within.integer(0x00283002)


def _is_signed(within: DataSet) -> bool:
    """Pixel Representation (0028,0103) of the nearest enclosing data set that has one."""
    for data_set in within.up():
        if 0x00280103 in data_set:
            return data_set.integer(0x00280103) == 1
    return False
