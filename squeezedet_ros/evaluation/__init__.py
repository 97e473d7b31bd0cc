"""How good the detections are: matching rules, average precision, reports."""
