"""Invented people, teams and sets, with the characters that break careless programs."""

from __future__ import annotations

FIRST_NAMES = (
    "Ada Amir Anouk Bao Beatriz Björn Carlos Chidi Clara Dalia Dmitri Elif Emeka Esra Farid Fiona Gabriel Greta "
    "Hana Hugo Ines Ivan Jamal Joana Jörg Kaito Katya Kofi Lars Leila Luca Maeve Malik Marta Mateo Mina Nadia "
    "Niamh Noor Olga Omar Paulo Petra Quinn Rafael Renée Rosa Samir Saoirse Sofia Søren Tariq Thandiwe Tomás Uma "
    "Vera Viktor Wanda Xavier Yara Yusuf Zahra Zoë Zuzana"
).split()
LAST_NAMES = (
    "Abara Almeida Andersen Bauer Becker Bianchi Byrne Castellanos Chen Costa Dahl Delacroix Diallo Dubois Eriksen "
    "Farah Fischer Fitzgerald Fontaine García Gökçe Haddad Hansen Hernández Horvat Ivanova Jansen Kaplan Kimura "
    "Kovač Kowalski Lindqvist Lopes Marchetti Mbeki Moreau Müller Nakamura Ndiaye Novák Nguyen O'Brien O'Neil Okafor "
    "Olsen Özdemir Park Pereira Petrov Quiroga Reyes Rossi Sato Schäfer Silva Šimić Suzuki Tanaka Torres Vasquez "
    "Weber Wójcik Yamada Zieliński"
).split()
ODD_NAMES = (
    'Zoë "Z" O\'Neil 🃏',
    'Walter "Flash" Quill',
    "D'Angelo ’Ace’ Brown",
    "Robert'); DROP TABLE fans;--",
    "דניאל כהן",
    "أمينة الزهراء",
    "Mixed שלום Name",
    "Ame\u0301lie De\u0301sire\u0301e",
    "Nguyê\u0303n Vă\u0306n A\u0302n",
    "李小龍",
    "さくら 桃子",
    "👩‍👩‍👧 Family Account",
    "Back\\slash \\n Jones",
    "Tab\tand\nNewline",
    "{{ user.name }} ${HOME}",
    "Null",
    "  Leading And Trailing  ",
    "Ünïcödé Ñandú",
    "\u202eReversed",
    "𝕭𝖔𝖑𝖉 Fraktur",
    "Jean-Luc, Jr.",
    "A/B Tester",
    "100% Legit; SELECT 1",
    "Ω≈ç√∫",
)
SPORTS = ("Baseball", "Basketball", "Football", "Hockey", "Soccer")
CITIES = (
    "Northfield", "Harbor City", "Eagle Rock", "Saint-Aubin", "Lakemont", "Iron Bay", "Coral Point", "Redwood",
    "Port Ellis", "Marigold", "São Verde", "Kingsbridge",
)  # fmt: skip
MASCOTS = (
    "Comets", "Owls", "Miners", "Foxes", "Mariners' Guild", "Storm", "Lynx", "Pioneers", "Rockets", "Herons",
    "Monarchs", "Wolves",
)  # fmt: skip
PRODUCTS = ("Chrome", "Heritage", "Prime", "Legends", "Rookie Ticket", "Gallery", "Vault", "Finest Hour")
MAKERS = ("Northstar", "Palisade", "Bluebird", "Old Mill")
PARALLELS = ("", "Silver", "Gold", "Black 1/1")
CARRIERS = ("DHL", "UPS", "Royal Mail", "Canada Post", "Yamato")
CANCEL_REASONS = (
    "changed my mind",
    "ordered twice",
    "payment not received",
    "out of stock",
    'said "too late"',
)
REFUND_REASONS = ("damaged corner", "wrong card", "lost in the post", "goodwill", "customer's remorse 😕")
CORRECTION_REASONS = ("price list", "player traded", "misprint on the checklist", "print run counted again")
INSPECTORS = ("Greta Dahl", "Kofi Okafor", "Marta Novák", "O'Brien (night)", "Yusuf Özdemir")
LINES = ("L1", "L2", "L3", "L4", "L5", "L6")
CURRENCIES = ("USD", "EUR", "GBP", "CAD", "JPY")
