"""HL7 v2: framing, messages and events. Knows nothing of FHIR, Flask or SQL."""
