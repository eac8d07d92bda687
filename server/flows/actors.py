"""Who acts for an organisation: a command on the machine itself, or a person at the desk."""

from dataclasses import dataclass

from server.flows.access import Grant
from server.flows.audit import Event

DESK = "desk"


@dataclass(frozen=True, slots=True)
class Actor:
    """As the audit tells it. `client` is the account of a person at the desk."""

    door: str = "command"
    client: str = "cli"
    grant: str = ""
    address: str = ""
    purpose: str = ""

    def event(self, organisation: int, action: str, detail: str, patient: str = "") -> Event:
        """What the actor did, as an event."""
        return Event(
            organisation=organisation,
            door=self.door,
            action=action,
            grant=self.grant,
            client=self.client,
            patient=patient,
            purpose=self.purpose,
            address=self.address,
            detail=detail[:2000],
        )


CLI = Actor()


def at_desk(grant: Grant) -> Actor:
    """The person whose session a grant of the desk is."""
    return Actor(DESK, grant.client, grant.id, grant.address, grant.purpose)
