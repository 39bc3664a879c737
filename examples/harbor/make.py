#!/usr/bin/env python3
"""Writes the files of `documents/` that no editor of text can: two Word documents and an archive. They
are fictional, like everything here, and the same bytes each time. Run it after a change of the words
below; a test holds that what is built in is what lies in the folder.

usage: make.py
"""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

DOCUMENTS = Path(__file__).parent / "documents"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def archive(path, members):
    """A zip with fixed times and modes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members:
            info = zipfile.ZipInfo(name, (2025, 11, 3, 9, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            out.writestr(info, data)


def paragraph(text, style=None):
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{look}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def table(rows):
    cells = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows
    )
    return f'<w:tbl><w:tblPr/><w:tblGrid>{"<w:gridCol/>" * len(rows[0])}</w:tblGrid>{cells}</w:tbl>'


def docx(path, title, blocks):
    """`#` and `##` are headings, lists are tables, the rest are paragraphs."""
    body = paragraph(title, "Title")
    for block in blocks:
        if isinstance(block, list):
            body += table(block)
        elif block.startswith("## "):
            body += paragraph(block[3:], "Heading2")
        elif block.startswith("# "):
            body += paragraph(block[2:], "Heading1")
        else:
            body += paragraph(block)
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name.lower() if level else name}"/>'
        + (f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr>' if level else "")
        + "</w:style>"
        for name, level in [("Title", 0), ("Heading 1", 1), ("Heading 2", 2)]
    )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    archive(
        path,
        [
            (
                "[Content_Types].xml",
                f'{XML}<Types xmlns="{PACKAGE}/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                '<Default Extension="xml" ContentType="application/xml"/>'
                f'<Override PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/>'
                f'<Override PartName="/word/styles.xml" ContentType="{kind}.styles+xml"/>'
                '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
                "</Types>",
            ),
            (
                "_rels/.rels",
                f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
                f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
                f'<Relationship Id="rId2" Type="{PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/>'
                "</Relationships>",
            ),
            (
                "word/_rels/document.xml.rels",
                f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
                f'<Relationship Id="rId1" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
            ),
            (
                "docProps/core.xml",
                f'{XML}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" '
                'xmlns:dc="http://purl.org/dc/elements/1.1/">'
                f"<dc:title>{escape(title)}</dc:title></cp:coreProperties>",
            ),
            (
                "word/styles.xml",
                f'{XML}<w:styles xmlns:w="{WORD}">{styles}</w:styles>',
            ),
            (
                "word/document.xml",
                f'{XML}<w:document xmlns:w="{WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>',
            ),
        ],
    )


docx(
    DOCUMENTS / "legal" / "charter-terms.docx",
    "Terms of charter 2026",
    [
        "Internal. Counsel: Samir Haddad. For counsel and for captains. In force from 1 January 2026.",
        "# Notice before loading",
        "The notice period for loading is 12 hours: a captain gives the notice of readiness at least 12 hours before "
        "arrival at the pilot station, by radio and in writing. A notice at night counts from six in the morning.",
        [
            ["notice", "hours before", "to"],
            ["expected arrival", "72", "charterer and agent"],
            ["expected arrival, again", "24", "agent"],
            ["readiness", "12", "charterer, with a copy to counsel"],
        ],
        "# Laytime",
        "Laytime begins six hours after the notice of readiness, whether in berth or not. Sundays are excepted, unless used.",
        "## Demurrage",
        "Time beyond the laytime is paid with 14,200 a day and pro rata. A claim for it is sent within 30 days, with the "
        "statement of facts signed by both sides.",
        "# What a captain does not sign",
        "A letter of indemnity, a bill of lading for cargo that is not on board, and anything that names a sum. These go to "
        "counsel first, at any hour.",
    ],
)

docx(
    DOCUMENTS / "people" / "contract-terms.docx",
    "Terms of employment: notice and side letters",
    [
        "Confidential. Owner: people team. The text that new contracts get from 1 January 2026.",
        "# Notice period",
        "The notice period is four months to the end of a quarter, for both sides, after the trial period. Contracts signed "
        "before 2026 keep their six weeks, unless somebody asks for the new text.",
        [
            ["length of service", "notice we give"],
            ["in the trial period", "two weeks"],
            ["up to eight years", "four months"],
            ["more than eight years", "six months"],
        ],
        "# Side letters",
        "A side letter is offered to chief engineers only: a bonus of two salaries for whoever stays until the end of 2027. "
        "Eleven have been sent, nine have been signed.",
        "# What is not promised",
        "Nobody promises a ship, a rotation or a colleague. Whoever is asked for one sends people to crewing.",
    ],
)

PORT_CALLS = [
    (
        "karlsvik.md",
        "Karlsvik",
        "Berth 3, port side to. The tug *Tarn Alba* is ordered by the watch room. Draught at low water 9.4 metres.",
        "From 1 March the lock works at night only on Tuesdays and Fridays.",
        [("Harbor Lantern", "4 March, 05:30"), ("Vale Tern", "6 March, 22:00")],
    ),
    (
        "port-ellery.md",
        "Port Ellery",
        "Pier House berth, shore power on. Crew changes at the gangway, the shuttle leaves every two hours.",
        "No bunkering alongside while containers are worked; the barge comes after 18:00.",
        [("Harbor Beacon", "2 March, 14:00"), ("Vale Sandpiper", "9 March, 07:15")],
    ),
    (
        "tarnhaven.md",
        "Tarnhaven",
        "Berth 14, starboard side to, from Wednesday 11 March. Two tugs above eight of wind, pilot at buoy T4.",
        "We are in Tarnhaven on Wednesdays until the summer. The terminal changes its system in February: "
        "bookings by e-mail until the first call has gone well.",
        [("Harbor Lantern", "11 March, 06:00"), ("Harbor Beacon", "18 March, 06:00")],
    ),
]


def port_call(title, berth, note, calls):
    rows = "\n".join(f"| *{ship}* | {when} |" for ship, when in calls)
    return (
        f"# Port call sheet: {title}, March 2026\n\n*For all who sail. Owner: fleet office.*\n\n## Berth\n\n{berth}\n\n"
        f"## Calls\n\n| ship | arrival |\n|---|---|\n{rows}\n\n## Mind\n\n{note}\n"
    )


archive(
    DOCUMENTS / "fleet" / "port-calls-2026-03.zip",
    [(name, port_call(*rest)) for name, *rest in PORT_CALLS],
)
