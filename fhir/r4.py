"""The R4B classes of fhir.resources: the only place that imports them, and only when asked.

For the types that are served R4B has the structure of R4. The classes are a second opinion beside
our own tables: what they refuse is told without the refused value.
"""

from functools import cache
from typing import Any

Path = tuple[str | int, ...]


def refusals(resource: dict[str, Any]) -> list[tuple[Path, str]]:
    """Where and why the class of the resource's type refuses it; empty if it does not.

    Types that R4B no longer has are not judged.
    """
    from pydantic import ValidationError

    model = _model(resource["resourceType"])
    if model is None:
        return []
    try:
        model.model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [(one["loc"], one["type"]) for one in found]
    except (AttributeError, LookupError, TypeError, ValueError):
        return [((), "unreadable")]  # the classes do not expect every kind of junk
    return []


@cache
def _model(resource_type: str) -> Any:
    from fhir.resources.R4B import get_fhir_model_class

    try:
        return get_fhir_model_class(resource_type)
    except ValueError:
        return None
