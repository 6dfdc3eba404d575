"""Values, hints, subjects, keys, heads, sections; openings of leaves; trees; computed names."""
import hmac, re

from .reading import (
    Bytes, Refused, ascends, is_division, is_region, name, need, organisation, ref, sha, within,
)  # fmt: skip

ATTACHMENT_BYTES_MAX = 64 << 20
PIECE = 1 << 20
OPENING_BYTES_MAX = 262144
SEALED_OPENING_BYTES_MAX = 261708


def date(r):
    y, m, d = r.number(2, signed=True), r.number(1), r.number(1)
    leap = y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    need(y >= 1 and 1 <= m <= 12 and 1 <= d <= days[m - 1], "form")
    return f"{y:04}-{m:02}-{d:02}"


def is_control(c):
    return c < " " or "\x7f" <= c <= "\x9f"


def value(r):
    tag = r.number(1)
    if tag == 1:
        return ["null"]
    if tag == 2:
        return ["empty"]
    if tag == 3:
        return ["raw", r.string(4).hex()]
    if tag == 4:
        return ["text", r.text(4, 2**32, 1)]
    if tag == 5:
        return ["integer", str(r.number(8, signed=True))]
    if tag == 6:
        s = r.text(1)
        need(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", s, re.ASCII), "form")
        return ["decimal", s]
    if tag == 7:
        return ["date", date(r)]
    if tag == 8:
        day, h, m, s, us = date(r), r.number(1), r.number(1), r.number(1), r.number(4)
        need(h < 24 and m < 60 and s < 60 and us < 1_000_000, "form")
        return ["time", f"{day} {h:02}:{m:02}:{s:02}.{us:06}"]
    if tag == 9:
        return ["instant", str(r.number(8, signed=True))]
    if tag == 10:
        size = within(r.number(8), 1, ATTACHMENT_BYTES_MAX)
        media_type, file_name = r.text(1, 100, 1), r.text(1, 255, 1)
        need(not any(c in "/\\" or is_control(c) for c in file_name), "form")
        return ["attachment", str(size), media_type, file_name, r.take(32).hex()]
    raise Refused("form")


def section(data):
    """Fields as [number, value]."""
    r, out = Bytes(data), []
    for _ in range(within(r.number(2), 1, 512)):
        out.append([r.number(2), value(r)])
        need(ascends([f[0] for f in out[-2:]]), "order")
    r.end()
    return out


def section_15(data):
    fields = section(data)
    for number, v in fields:
        most, kinds = {1: (1024, ("text", "raw")), 2: (64, ("text",)), 3: (100, ("text",))}.get(number, (0, ()))
        if kinds:
            need(v[0] in kinds, "form")
            within(len(bytes.fromhex(v[1]) if v[0] == "raw" else v[1].encode()), 0, most)
    return fields


SUBJECTS = {1: "uscc", 2: "reg", 3: "org", 4: "tax"}


def subject(r):
    tag = r.number(1)
    if tag == 0:
        return ""
    if tag in SUBJECTS:
        return f"{SUBJECTS[tag]}:{r.text(2, 512, 1)}"
    if tag == 5:
        return "unidentified"
    need(tag == 6, "form")
    return f"person:{within(r.number(1), 1, 255)}:{r.take(32).hex()}"


def named(shown, its_seat, record_type, key):
    """The text by which a subject is known beside its record."""
    if shown != "unidentified":
        return shown
    image = b"\7" + bytes([len(record_type)]) + record_type + len(key).to_bytes(2, "big") + key
    return f"own:{its_seat.hex()}:{sha(image)[:16].hex()}"


def is_subject_name(s):
    tag, colon, rest = s.partition(":")
    if s == "":
        return True
    if not colon or not 1 <= len(rest.encode()) <= 512 or "\0" in rest:
        return False
    if tag in SUBJECTS.values():
        return True
    if tag == "own":
        return bool(re.fullmatch("[0-9a-f]{32}:[0-9a-f]{32}", rest))
    version, _, digits = rest.partition(":")
    good = re.fullmatch("[1-9][0-9]{0,2}", version, re.ASCII) and int(version) < 256
    return tag == "person" and bool(good) and bool(re.fullmatch("[0-9a-f]{64}", digits))


def hint(r):
    kind = r.number(1)
    if kind in (0, 4):
        return {0: "unknown", 4: "city-wide"}[kind]
    if kind in (1, 2):
        s = r.text(1)
        need(is_division(s) if kind == 1 else is_region(s), "form")
        return f"{'division' if kind == 1 else 'region'} {s}"
    need(kind == 3, "form")
    seats = [r.take(16) for _ in range(within(r.number(1), 1, 16))]
    need(ascends(seats), "order")
    return " ".join(["seats"] + [s.hex() for s in seats])


def hint_allowed(shown, kind, lane, node):
    """Whether a city, district or department may use a hint; `node` is that of the department."""
    is_node = kind != "department"
    if shown.startswith("seats "):
        return lane != 2 and (is_node or shown == f"seats {node}")
    return is_node or shown != "city-wide"


def record_key(b):
    r = Bytes(b)
    form = r.number(1)
    if form == 1:
        within(len(b), 0, 256)
        for _ in range(r.number(1)):
            value(r)
    else:
        need(form in (2, 3), "form")
        r.take(32)
    r.end()
    return b


def front(r):
    """Hint as bytes and as shown, record type, key."""
    begin = r.at
    shown = hint(r)
    hint_bytes = r.data[begin : r.at]
    record_type, key = name(r), record_key(r.string(2))
    return hint_bytes, shown, record_type, key


def head(data):
    """The head as the vectors show it. A front that does not read is the origin's fault, what is behind it the entry's."""
    r = Bytes(data)
    try:
        _, shown, record_type, key = front(r)
    except Refused as e:
        raise Refused(e.reason, "origin")
    out = {"hint": shown, "record_type": record_type, "key": key.hex()}
    out["standard"], out["standard_version"], out["standard_hash"] = name(r), r.number(2), r.take(16).hex()
    flags, operation = within(r.number(1), 0, 31, "form"), within(r.number(1), 1, 3, "form")
    out["operation"] = {1: "state", 2: "retract", 3: "restated"}[operation]
    if operation == 3:
        need(key == b"\1\0", "contradiction")
        out["operation"] += f" {r.number(8)}"
    out["generation"], out["subject"], out["further"] = r.number(4), subject(r), []
    for _ in range(within(r.number(1), 0, 8)):
        role, of = name(r), subject(r)
        need(of not in ("", "unidentified"), "form")
        out["further"].append([role, of])
    if flags & 1:
        out["former_subject"] = subject(r)
    if flags & 2:
        out["former_hint"] = hint(r)
    need(out.get("former_subject") != out["subject"], "contradiction")
    if flags & 4:
        out["event_date"] = date(r)
    if flags & 8:
        out["author"] = [organisation(r), r.text(1, 32, 1)]
    out["causes"] = [[r.number(1), ref(r, zero=True).hex()] for _ in range(within(r.number(1), 0, 4))]
    if flags & 16:
        out["base"] = [r.number(4), r.number(8), r.number(4)]
    r.end()
    return out


# ---- openings ---------------------------------------------------------------------------------------------------------

WHY = {1: "withheld", 2: "compacted", 3: "erased"}


def section_salt(leaf_salt, number):
    return sha(b"\4", leaf_salt, bytes([number]))[:16]


def commitment(number, salt, content):
    return sha(b"\2", bytes([number]), salt, content)


class Opening:
    """Sections as {number: (salt, content) or (why, commitment)}, ascending."""

    def __init__(self, data):
        r = Bytes(data)
        partial = within(r.number(1), 0, 1, "form")
        within(len(data), 0, OPENING_BYTES_MAX if partial else SEALED_OPENING_BYTES_MAX)
        self.leaf_salt, self.sections, last = None if partial else r.take(16), {}, -1
        for at in range(within(r.number(1), 1, 16)):
            number = within(r.number(1), 0, 15)
            need(number > last and (at == 0) == (number == 0), "order")
            last = number
            why = within(r.number(1), 0, 3, "form") if partial else 0
            need(why == 0 or number != 0, "contradiction")
            if why:
                self.sections[number] = (why, r.take(32))
            else:
                salt = r.take(16) if partial else section_salt(self.leaf_salt, number)
                self.sections[number] = (salt, r.string(4))
        r.end()
        self.leaf = leaf({n: self.commitment(n) for n in self.sections})

    def is_open(self, number):
        return isinstance(self.sections[number][0], bytes)

    def closed(self):
        return {n: s[0] for n, s in self.sections.items() if not self.is_open(n)}

    def commitment(self, number):
        one, other = self.sections[number]
        return commitment(number, one, other) if self.is_open(number) else other

    def content(self, number):
        return self.sections[number][1]

    def shown(self):
        out = []
        for n, (one, other) in self.sections.items():
            part = {"salt": one.hex(), "bytes": other.hex()} if self.is_open(n) else {"why": WHY[one]}
            out.append({"number": n} | part | {"commitment": self.commitment(n).hex()})
        return out

    def bytes(self):
        if self.leaf_salt is not None and not self.closed():
            return put_whole(self.leaf_salt, {n: s[1] for n, s in self.sections.items()})
        out = b"\1" + bytes([len(self.sections)])
        for n, (one, other) in self.sections.items():
            if self.is_open(n):
                out += bytes([n, 0]) + one + len(other).to_bytes(4, "big") + other
            else:
                out += bytes([n, one]) + other
        return out

    def rewritten(self, closes):
        """With other sections closed: `closes` gives why, or 0, of each from why it was."""
        out = Opening(self.bytes())
        for n in self.sections:
            why = 0 if n == 0 else closes(n, self.closed().get(n, 0))
            if why:
                out.sections[n] = (why, self.commitment(n))
                out.leaf_salt = None
        return Opening(out.bytes())


def put_whole(leaf_salt, sections):
    out = b"\0" + leaf_salt + bytes([len(sections)])
    return out + b"".join(bytes([n]) + len(b).to_bytes(4, "big") + b for n, b in sections.items())


def leaf(commitments):
    return sha(b"\0", bytes([len(commitments)]), *[bytes([n]) + c for n, c in sorted(commitments.items())])


def as_said(why):
    """Erased without an erasure reads as withheld."""
    return 1 if why == 3 else why


def settled(opening, erased):
    """As it is stored: what `erased` names is closed with 3, and 3 stands nowhere else."""
    return opening.rewritten(lambda n, why: 3 if erased(n) else as_said(why))


def merged(one, other, erased):
    """Two openings of one leaf, but for the sections that `erased` names."""
    need(one.leaf == other.leaf, "tree")
    parts = {}
    for n in one.sections:
        if n and erased(n):
            parts[n] = (3, one.commitment(n))
        elif one.is_open(n) or other.is_open(n):
            parts[n] = one.sections[n] if one.is_open(n) else other.sections[n]
        else:
            parts[n] = (max(as_said(one.closed()[n]), as_said(other.closed()[n])), one.commitment(n))
    salts = [o.leaf_salt for o in (one, other) if o.leaf_salt is not None]
    out = Opening(one.bytes())
    out.sections = parts
    out.leaf_salt = salts[0] if salts and not out.closed() else None
    return Opening(out.bytes())


# ---- trees ------------------------------------------------------------------------------------------------------------


def split(n):
    return 1 << (n - 1).bit_length() - 1


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    k = split(len(leaves))
    return sha(b"\1", root(leaves[:k]), root(leaves[k:]))


def proven(count, members, leaves, proof):
    """Root of a tree of `count` leaves from some of them and the roots of the rest, left to right."""
    need(ascends(members), "order")
    need(all(m < count for m in members), "bound")
    known, proof = dict(zip(members, leaves)), list(proof)

    def walk(base, size):
        inside = [i for i in known if base <= i < base + size]
        if not inside:
            need(proof, "tree")
            return proof.pop(0)
        if size == 1:
            return known[base]
        k = split(size)
        return sha(b"\1", walk(base, k), walk(base + k, size - k))

    out = walk(0, count) if count else sha()
    need(not proof, "tree")
    return out


def prove(leaves, members):
    """Roots of the largest subtrees without members, left to right."""

    def walk(base, size):
        inside = [m for m in members if base <= m < base + size]
        if not inside:
            return [root(leaves[base : base + size])]
        if len(inside) == size:
            return []
        k = split(size)
        return walk(base, k) + walk(base + k, size - k)

    return walk(0, len(leaves)) if leaves else []


def pieces(size):
    return -(-size // PIECE) if 1 <= size <= ATTACHMENT_BYTES_MAX else 0


def piece_fits(size, index, length):
    return index < pieces(size) and length == min(size - index * PIECE, PIECE)


# ---- names that are computed ------------------------------------------------------------------------------------------


def string(n, b):
    b = b.encode() if isinstance(b, str) else b
    return len(b).to_bytes(n, "big") + b


def case_id(x):
    if x["about"] == 1:
        about = string(2, x["subject"])
    else:
        about = string(1, x["record_type"]) + string(2, bytes.fromhex(x["key"])) + bytes.fromhex(x["origin"])
    rest = string(2, x["item"]) + string(1, x["organisation"]) + x["ordinal"].to_bytes(4, "big")
    return sha(b"\5", string(2, x["standard"]), bytes([x["about"]]), about, rest, bytes.fromhex(x["opener"]))


def person(key, document, number):
    number = "".join(c.upper() if "a" <= c <= "z" else c for c in number)
    return hmac.new(key, string(1, document or "1") + string(1, number), "sha256").digest()


def record_parts(x):
    return string(1, x["record_type"]) + string(2, bytes.fromhex(x["key"])) + bytes.fromhex(x["origin"])


def standard(x):
    """Bytes that the hash of a standard is over, without prefix."""
    numbers = lambda all_: bytes([len(all_)]) + b"".join(n.to_bytes(2, "big") for n in all_)
    out = string(1, x["name"]) + x["version"].to_bytes(2, "big") + string(1, x["record_type"])
    out += bytes([x["lane"], x["concludes"], x["publicity"], len(x["key"])]) + b"".join(map(numbers, x["key"]))
    out += numbers(x["subject"]) + numbers(x["event_date"])
    out += bytes([len(x["sections"])]) + b"".join(bytes(s) for s in sorted(x["sections"]))
    out += len(x["fields"]).to_bytes(2, "big")
    for f in sorted(x["fields"], key=lambda f: f["number"]):
        out += f["number"].to_bytes(2, "big") + bytes([f["section"]]) + string(1, f["name"]) + string(1, f["type"])
        out += bytes([f["obligation"]]) + string(1, f["group"]) + string(1, f["codes"]) + bytes([len(f["checks"])])
        out += b"".join(bytes([check]) + string(2, argument) for check, argument in sorted(f["checks"]))
    return out
