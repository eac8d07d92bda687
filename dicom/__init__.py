"""DICOM: files, facts, the network doors and pictures. Knows nothing of FHIR, Flask or SQL."""
