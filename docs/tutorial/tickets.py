"""Write the support tickets of the tutorial: made-up texts, the same ones each time.

    python docs/tutorial/tickets.py tickets/

A ticket is a greeting, one or two sentences about its subject and a closing, put together at
random from the lists below. So the texts repeat themselves more than real ones do, and a model
learns them from fewer rows.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

Row = tuple[str, str]
"""A ticket's text and its label."""

OPENINGS = (
    "", "", "", "Hi, ", "Hello, ", "Hello support team, ", "Good morning, ", "Hey there, ",
    "Sorry to bother you again, but ", "Second message this week: ", "Not sure who to ask. ",
)  # fmt: skip
CLOSINGS = (
    "", "", "", " Thanks!", " Please help.", " Can somebody look into this?", " Best, {name}",
    " This is urgent.", " I have been a customer for {count} years.", " Kind regards, {name}",
)  # fmt: skip
SLOTS = {
    "name": ("Ann", "Ravi", "Lea", "Tom", "Mei", "Omar", "Ines", "Paul", "Zoe", "Karl"),
    "count": ("two", "three", "four", "five", "six", "nine", "eleven"),
    "day": ("Monday", "Tuesday", "Wednesday", "Friday", "Saturday", "last week", "yesterday"),
    "price": ("12.99", "49", "8.50", "119", "24.90", "300", "65", "17.25", "9.99", "210"),
    "item": ("headphones", "kettle", "desk lamp", "backpack", "keyboard", "rain jacket",
             "coffee grinder", "bike light", "blender", "office chair", "tent", "monitor"),
    "place": ("Leeds", "Porto", "Graz", "Dublin", "my office", "my neighbour", "the old address"),
    "part": ("lid", "cable", "zip", "left side", "screen", "handle", "battery", "motor"),
    "device": ("phone", "laptop", "tablet", "work computer"),
}  # fmt: skip
SENTENCES = {
    "billing": (
        "I was charged {price} twice for one order.",
        "The invoice for the {item} shows the wrong amount.",
        "My card was debited {price} on {day} and I don't know what for.",
        "Could you send the receipt for {price} with our VAT number on it?",
        "The discount code was not taken off the total of {price}.",
        "Why is there a fee of {price} on my statement?",
        "I need to change the card that the monthly payment is taken from.",
    ),
    "delivery": (
        "My {item} was supposed to arrive on {day} and is still not here.",
        "Tracking has said 'out for delivery' since {day}.",
        "The parcel went to {place} instead of me.",
        "Can you deliver the {item} to {place} instead?",
        "The courier left the {item} in the rain.",
        "Only {count} of the parcels of my order have come.",
        "When will the {item} be shipped?",
    ),
    "login": (
        "I can't sign in on my {device}, it says the password is wrong.",
        "The reset link for my password never arrives.",
        "My account has been locked since {day}.",
        "The code for signing in comes too late to use it.",
        "I have a new {device} and lost access to my account.",
        "It logs me out every time I open a page.",
        "How do I change the email address that I sign in with?",
    ),
    "refund": (
        "I sent the {item} back on {day} and want my {price} back.",
        "How long does it take until a return is paid out?",
        "I would like to return the {item}, it is not what I expected.",
        "You refunded {price}, but the {item} cost more.",
        "The return label for the {item} does not open.",
        "Where do I send the {item} that I don't want to keep?",
        "My refund was promised for {day} and nothing has come.",
    ),
    "product": (
        "The {part} of the {item} broke after {count} days.",
        "Does the {item} come in another colour?",
        "Is there a manual for the {item}?",
        "The {item} makes a strange noise when I switch it on.",
        "Can I buy a new {part} for the {item}?",
        "How do I clean the {part} of my {item}?",
        "Is the {item} suitable for children?",
    ),
    "cancellation": (
        "Please cancel my order for the {item}, I ordered it by mistake.",
        "I want to end my membership before {day}.",
        "How do I stop the subscription? I can't find the button.",
        "Cancel everything I ordered on {day}, please.",
        "I changed my mind about the {item}, don't send it.",
        "Please close my account and delete my data.",
    ),
    "warranty": (
        "Is the {item} still under guarantee after {count} months?",
        "I want to make a warranty claim for the {item}.",
        "The {part} failed within the guarantee period, who repairs it?",
        "Do I need the box for a warranty repair?",
        "The repair under warranty has taken {count} weeks now.",
        "How do I register the {item} for the extended guarantee?",
    ),
}
FIRST = ("billing", "delivery", "login", "refund", "product")
NEW = ("cancellation", "warranty")


class Desk:
    """Writes tickets; no text is written twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.written: set[str] = set()

    def tickets(self, labels: Sequence[str], count: int) -> list[Row]:
        """Return so many tickets, the labels equally often, in random order."""
        rows = [(self._text(label), label) for label, _ in zip(cycle(labels), range(count))]
        self.random.shuffle(rows)
        return rows

    def _text(self, label: str) -> str:
        while True:
            said = self.random.sample(SENTENCES[label], k=self.random.choice((1, 1, 2)))
            opening, closing = map(self.random.choice, (OPENINGS, CLOSINGS))
            text = f"{opening}{' '.join(said)}{closing}"
            text = text.format_map({name: self.random.choice(all_) for name, all_ in SLOTS.items()})
            if text not in self.written:
                self.written.add(text)
                return text


def write(
    path: Path, rows: Sequence[Row], columns: Row = ("text", "label"), mark: str = ","
) -> None:
    """Write a CSV file; `mark` stands between the columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark, lineterminator="\n").writerows([columns, *rows])


def main(folder: Path) -> None:
    """Write every file of the tutorial into a folder."""
    desk = Desk(seed=0)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "exam.csv", desk.tickets(FIRST, 200))
    write(folder / "january.csv", desk.tickets(FIRST, 100))
    write(folder / "february.csv", desk.tickets((*FIRST, *NEW), 100))
    everything = (*FIRST, *NEW)
    march = [(label, text) for text, label in desk.tickets(everything, 100)]
    write(folder / "march.csv", march, ("queue", "message"), mark=";")
    swapped = {"billing": "refund", "refund": "billing"}
    april = [(text, swapped.get(label, label)) for text, label in desk.tickets(everything, 100)]
    write(folder / "april.csv", april)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
