"""Layouts: big-endian integers, byte strings after a length; and names, positions, keys, signatures."""
import hashlib, re

from . import ed25519

POSITION_MAX = 2**63 - 1
NONE = bytes(33)


class Fault(Exception):
    """Something does not hold."""


class Wrong(Fault):
    """A vector that does not hold."""


class Refused(Fault):
    """Bytes that break a rule: which kind of rule, and whose fault that is if it is not that of their layout."""

    def __init__(self, reason, blame=None):
        super().__init__(reason)
        self.reason, self.blame = reason, blame


def need(holds, reason, blame=None):
    if not holds:
        raise Refused(reason, blame)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def within(value, low, high, reason="bound"):
    need(low <= value <= high, reason)
    return value


def ascends(all_):
    return all(a < b for a, b in zip(all_, all_[1:]))


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "end")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n, signed=False):
        return int.from_bytes(self.take(n), "big", signed=signed)

    def string(self, n):
        return self.take(self.number(n))

    def text(self, n, most=None, least=0):
        data = self.string(n)
        s = as_text(data)
        if most is not None:
            within(len(data), least, most)
        return s

    def flag(self):
        return within(self.number(1), 0, 1, "form")

    def end(self):
        need(self.at == len(self.data), "more")


def whole(data, read):
    """What all of the bytes read as."""
    r = Bytes(data)
    out = read(r)
    r.end()
    return out


def as_text(b):
    try:
        s = b.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("text")
    need("\0" not in s, "text")
    return s


# ---- names that people give -------------------------------------------------------------------------------------------


def is_division(s):
    return bool(re.fullmatch(r"[0-9]{6}|[0-9]{9}", s))


def is_region(s):
    return bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", s))


def is_organisation(s):
    region, dot, line = s.partition(".")
    return bool(dot) and is_region(region) and bool(re.fullmatch(r"[a-z0-9]{2,16}", line))


def is_permitted(s):
    name = s[:-2] if s.endswith(".*") else s
    return name != "" and "*" not in name and len(s.encode()) <= 64 and "\0" not in s


def is_inside(inner, outer):
    return inner == outer or (is_division(inner) and is_division(outer) and len(inner) == 9 and inner[:6] == outer)


def permits(permitted, record_type):
    if permitted.endswith(".*"):
        return record_type.startswith(permitted[:-1]) and len(record_type) > len(permitted) - 1
    return permitted == record_type


def name(r):
    return r.text(1, 64, 1)


def formed(r, n, form):
    s = r.text(n)
    need(form(s), "form")
    return s


def organisation(r):
    return formed(r, 1, is_organisation)


def region(r):
    return formed(r, 1, is_region)


# ---- references, positions --------------------------------------------------------------------------------------------


def ref(r, zero=False):
    """A reference as its 33 bytes."""
    b = r.take(33)
    need((b[0] == 0) == (b[1:] == bytes(32)), "zero")
    need(zero or b != NONE, "zero")
    return b


def seat(r):
    b = r.take(16)
    need(b != bytes(16), "zero")
    return b


def lane(r):
    n = r.number(1)
    need(n != 3, "form")
    return n


def sequence(r):
    return within(r.number(8), 1, POSITION_MAX)


def pos(r):
    n, header = r.number(8), ref(r, zero=True)
    need((n == 0) == (header == NONE), "zero")
    within(n, 0, POSITION_MAX)
    return n, header


def reached(r):
    n, header = pos(r)
    within(n, 1, POSITION_MAX)
    return n, header


def incarnation(r):
    return within(r.number(8), 0, POSITION_MAX), r.take(16)


def positions(r):
    out = [(lane(r), *reached(r)) for _ in range(within(r.number(1), 0, 16))]
    need(ascends([p[0] for p in out]), "order")
    return out


def refs(r, n):
    out = [ref(r) for _ in range(n)]
    need(ascends(out), "order")
    return out


# ---- keys and signatures ----------------------------------------------------------------------------------------------


def check_key(suite, use, b):
    need(suite != 0, "form")
    if suite == 1:
        need(ed25519.is_key(b) if use == 1 else len(b) == 32, "key")
    else:
        need(b != b"", "key")


def keys(r):
    """A list of (suite, use, key)."""
    out = []
    for _ in range(within(r.number(1), 1, 4)):
        suite, use, b = r.number(1), r.number(1), r.string(1)
        need(use in (1, 2), "form")
        check_key(suite, use, b)
        out.append((suite, use, b))
    need(ascends([k[:2] for k in out]), "order")
    need((1, 1) in [k[:2] for k in out], "key")
    return out


def put_keys(all_):
    each = [bytes([suite, use, len(b)]) + b for suite, use, b in all_]
    return bytes([len(all_)]) + b"".join(each)


def sigs(r):
    """A list of (suite, signature)."""
    out = []
    for _ in range(within(r.number(1), 0, 4)):
        suite, b = r.number(1), r.string(1)
        check_sig(suite, b)
        out.append((suite, b))
    need(ascends([s[0] for s in out]), "order")
    return out


def check_sig(suite, b):
    need(suite != 0, "form")
    need(len(b) == 64 if suite == 1 else b != b"", "key")


def signing(all_):
    return [(suite, b) for suite, use, b in all_ if use == 1]


def sigs_verify(given, all_, message):
    """Whether the signatures are exactly those that keys demand."""
    required = signing(all_)
    if [s[0] for s in given] != [s[0] for s in required]:
        return False
    return all(suite != 1 or ed25519.signed(key, message, b) for (suite, b), (_, key) in zip(given, required))
