"""What a warning asks for: the words of CAP 1.2, and cameras."""

from __future__ import annotations

import yaml

from rules.language.entry import EntryReader
from rules.language.places import unknown

CAMERA_KEYS = ("within", "pick", "need")
MAX_CAMERA_M = 100_000.0
CAMERA_NEEDS = ("observe", "recognise", "identify", "detect", "monitor")
CAP_WORDS = {
    "category": (
        "Geo",
        "Met",
        "Safety",
        "Security",
        "Rescue",
        "Fire",
        "Health",
        "Env",
        "Transport",
        "Infra",
        "CBRNE",
        "Other",
    ),
    "urgency": ("Immediate", "Expected", "Future", "Past", "Unknown"),
    "certainty": ("Observed", "Likely", "Possible", "Unlikely", "Unknown"),
    "severity": ("Extreme", "Severe", "Moderate", "Minor", "Unknown"),
    "response": ("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"),
    "event": (),
    "instruction": (),
}


def read_cap(reader: EntryReader, node: yaml.Node) -> dict[str, object]:
    """`cap:`, every word of it one that CAP knows."""
    cap: dict[str, object] = {}
    for entry in reader.document.entries(node, "cap"):
        if entry.key not in CAP_WORDS:
            reader.document.wrong(entry.key_node, unknown("key of cap", entry.key, tuple(CAP_WORDS)))
            continue
        words, known = reader.texts(entry.value, entry.key), CAP_WORDS[entry.key]
        for word in words:
            if known and word not in known:
                message = f"{unknown(entry.key, word, known)}; CAP 1.2 knows {', '.join(known)}"
                reader.document.wrong(entry.value, message)
        many = entry.key in ("category", "response")
        cap[entry.key] = list(words) if many else (words[0] if words else "")
    return cap


def read_cameras(reader: EntryReader, node: yaml.Node) -> dict[str, object]:
    """`cameras:`: `within_m`, `pick` and `need`, as far as they are given."""
    wanted: dict[str, object] = {}
    for entry in reader.document.entries(node, "cameras"):
        text = reader.document.text_of(entry.value, entry.key) or ""
        if entry.key == "within":
            wanted["within_m"] = reader.distance(entry.value, "within", MAX_CAMERA_M)
        elif entry.key == "pick":
            if not text.isdigit() or not 0 < int(text) <= 50:
                reader.document.wrong(entry.value, "pick is how many cameras, 1 to 50")
            else:
                wanted["pick"] = int(text)
        elif entry.key == "need":
            if text not in CAMERA_NEEDS:
                reader.document.wrong(entry.value, unknown("need", text, CAMERA_NEEDS))
            wanted["need"] = text
        else:
            reader.document.wrong(entry.key_node, unknown("key of cameras", entry.key, CAMERA_KEYS))
    return wanted
