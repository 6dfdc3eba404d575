#!/usr/bin/env python3
"""Checks the vectors of this folder independently of the Rust code: plain Python 3, nothing but its standard library.

    python3 verify.py [--turn-digits] [FOLDER]

Prints "OK" and the number of comparisons, exit status 0; at the first disagreement it names it, exit status 1.
With --turn-digits every hexadecimal value is changed in one digit, one at a time, and each change must be noticed.
What the bytes mean is written in docs/protocol.md; this file follows that text and shares nothing else with the project.
"""
import functools, hashlib, hmac, json, pathlib, re, sys


class Wrong(Exception):
    """A vector that does not hold."""


class Count:
    done = 0


def same(what, got, want):
    Count.done += 1
    if got != want:
        raise Wrong(f"{what}: computed {got!r}, vector says {want!r}")


def true(what, holds):
    same(what, bool(holds), True)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# ---- Ed25519, RFC 8032 section 5.1: points (X, Y, Z, T) of the twisted Edwards curve over 2^255 - 19 ------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, p)
        p, n = add(p, p), n >> 1
    return out


def point(b):
    """The point of 32 bytes, or None."""
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def packed(p):
    z = pow(p[2], P - 2, P)
    return (p[1] * z % P | (p[0] * z % P & 1) << 255).to_bytes(32, "little")


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def public(seed):
    h = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return packed(times(h & (1 << 254) - 8 | 1 << 254, BASE))


@functools.lru_cache(maxsize=None)
def signed(key, message, signature):
    a, s = point(key), int.from_bytes(signature[32:], "little")
    if a is None or s >= L or len(signature) != 64:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], 1, P - a[3])
    return packed(add(times(s, BASE), times(k, minus_a))) == signature[:32]


# ---- reading the layout: big-endian integers, byte strings after a length, every byte consumed ------------------------


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise Wrong("bytes end too early")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n, signed=False):
        return int.from_bytes(self.take(n), "big", signed=signed)

    def string(self, n):
        return self.take(self.number(n))

    def text(self, n):
        return as_text(self.string(n))

    def end(self):
        if self.at != len(self.data):
            raise Wrong("bytes left over")


def as_text(b):
    try:
        s = b.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong("text is not UTF-8")
    if "\0" in s:
        raise Wrong("text with U+0000")
    return s


def limited(value, low, high):
    if not low <= value <= high:
        raise Wrong(f"{value} is not within {low} to {high}")
    return value


def date(r):
    y, m, d = r.number(2, signed=True), r.number(1), r.number(1)
    leap = y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    limited(y, 1, 32767), limited(m, 1, 12), limited(d, 1, days[m - 1])
    return f"{y:04}-{m:02}-{d:02}"


def value(r):
    tag = r.number(1)
    if tag == 1:
        return ["null"]
    if tag == 2:
        return ["empty"]
    if tag == 3:
        return ["raw", r.string(4).hex()]
    if tag == 4:
        s = r.text(4)
        limited(len(s), 1, 2**32)
        return ["text", s]
    if tag == 5:
        return ["integer", str(r.number(8, signed=True))]
    if tag == 6:
        s = r.text(1)
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", s):
            raise Wrong("not a decimal")
        return ["decimal", s]
    if tag == 7:
        return ["date", date(r)]
    if tag == 8:
        day, h, m, s, us = date(r), r.number(1), r.number(1), r.number(1), r.number(4)
        limited(h, 0, 23), limited(m, 0, 59), limited(s, 0, 59), limited(us, 0, 999999)
        return ["time", f"{day} {h:02}:{m:02}:{s:02}.{us:06}"]
    if tag == 9:
        return ["instant", str(r.number(8, signed=True))]
    if tag == 10:
        return ["attachment", r.take(32).hex(), str(r.number(8)), r.text(1), r.text(1)]
    raise Wrong(f"value with tag {tag}")


def fields(data):
    r, out = Bytes(data), []
    for _ in range(limited(r.number(2), 1, 512)):
        number = r.number(2)
        if out and out[-1][0] >= number:
            raise Wrong("fields do not ascend")
        out.append([number, value(r)])
    r.end()
    return out


SUBJECTS = {1: "uscc", 2: "reg", 3: "org", 4: "tax", 5: "name"}


def subject(r):
    tag = r.number(1)
    if tag == 0:
        return ""
    if tag == 6:
        return f"person:{r.number(1)}:{r.take(32).hex()}"
    if tag not in SUBJECTS:
        raise Wrong("subject with an unknown tag")
    s = r.text(2)
    limited(len(s.encode()), 1, 512)
    return f"{SUBJECTS[tag]}:{s}"


def hint(r):
    kind = r.number(1)
    if kind in (0, 4, 5):
        return {0: "unknown", 4: "city-wide", 5: "local"}[kind]
    if kind == 1:
        code = r.text(1)
        if not re.fullmatch("[0-9]{6}", code):
            raise Wrong("division is not six digits")
        return f"division {code}"
    if kind == 2:
        s = r.text(1)
        limited(len(s.encode()), 1, 64)
        return f"region {s}"
    if kind == 3:
        seats = [r.take(16).hex() for _ in range(limited(r.number(1), 1, 16))]
        if seats != sorted(set(seats)):
            raise Wrong("seats do not ascend")
        return " ".join(["seats"] + seats)
    raise Wrong("hint of an unknown kind")


def record_key(b):
    form = b[:1]
    if form == b"\1" and len(b) <= 256:
        r = Bytes(b[1:])
        for _ in range(r.number(1)):
            value(r)
        r.end()
    elif form not in (b"\2", b"\3") or len(b) != 33:
        raise Wrong("key of an unknown form")
    return b.hex()


def name(r):
    s = r.text(1)
    limited(len(s.encode()), 1, 64)
    return s


def head(data):
    """The head as the vectors show it, and its front (hint, type, key) as bytes."""
    r = Bytes(data)
    out = {"hint": hint(r)}
    front_hint = data[: r.at]
    out["record_type"] = name(r)
    key = r.string(2)
    out["key"] = record_key(key)
    out["standard"], out["standard_version"] = name(r), r.number(2)
    flags, operation = limited(r.number(1), 0, 31), limited(r.number(1), 1, 3)
    out["operation"] = {1: "state", 2: "retract", 3: "restated"}[operation]
    if operation == 3:
        out["operation"] += f" {name(r)} {r.number(4)} {r.number(8)}"
    out["generation"], out["subject"] = r.number(4), subject(r)
    out["further"] = [[name(r), subject(r)] for _ in range(limited(r.number(1), 0, 8))]
    if flags & 1:
        out["was_subject"] = subject(r)
    if flags & 2:
        out["was_hint"] = hint(r)
    if flags & 4:
        out["event_date"] = date(r)
    out["source_position"] = r.string(2).hex()
    if flags & 8:
        out["author"] = [r.text(1), r.text(1), r.text(1)]
    out["cause"] = [[str(r.number(1)), r.take(32).hex()] for _ in range(limited(r.number(1), 0, 4))]
    if flags & 16:
        out["base"] = [r.number(4), r.number(8), r.number(4)]
    r.end()
    return out, (front_hint, out["record_type"].encode(), key)


# ---- commitments, leaves, trees ---------------------------------------------------------------------------------------

WHY = {1: "withheld", 2: "compacted", 3: "erased"}


def opening(data):
    """(leaf, leaf salt or None, sections as the vectors show them, bytes of the open sections by number)."""
    r = Bytes(data)
    partial, shown, open_bytes = limited(r.number(1), 0, 1), [], {}
    leaf_salt = None if partial else r.take(16)
    for at in range(limited(r.number(1), 1, 16)):
        number = limited(r.number(1), 0, 15)
        if (at == 0) != (number == 0) or (shown and shown[-1]["number"] >= number):
            raise Wrong("sections do not ascend from the head")
        why = limited(r.number(1), 0, 3) if partial else 0
        if why:
            commitment = r.take(32)
            shown.append({"number": number, "why": WHY[why], "commitment": commitment.hex()})
            continue
        salt = r.take(16) if partial else sha(b"\4", leaf_salt, bytes([number]))[:16]
        content = r.string(4)
        open_bytes[number] = content
        commitment = sha(b"\2", bytes([number]), salt, content)
        shown.append({"number": number, "salt": salt.hex(), "bytes": content.hex(), "commitment": commitment.hex()})
    r.end()
    true("the head is open", 0 in open_bytes)
    pairs = [bytes([s["number"]]) + bytes.fromhex(s["commitment"]) for s in shown]
    return sha(b"\0", bytes([len(shown)]), *pairs), leaf_salt, shown, open_bytes


def split(n):
    return 1 << (n - 1).bit_length() - 1


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    k = split(len(leaves))
    return sha(b"\1", root(leaves[:k]), root(leaves[k:]))


def proven(count, known, proof):
    """Root of a tree of `count` leaves from the known ones {index: leaf} and the roots of the rest, left to right."""
    proof = list(proof)

    def walk(base, size):
        inside = [i for i in known if base <= i < base + size]
        if not inside:
            if not proof:
                raise Wrong("proof too short")
            return proof.pop(0)
        if size == 1:
            return known[base]
        k = split(size)
        return sha(b"\1", walk(base, k), walk(base + k, size - k))

    out = walk(0, count) if count else sha()
    if proof or any(i >= count for i in known):
        raise Wrong("proof does not fit the tree")
    return out


# ---- signed objects ---------------------------------------------------------------------------------------------------


def object_hash(kind, fmt, data):
    return sha(b"zongheng\0", bytes([kind]), fmt.to_bytes(2, "big"), len(data).to_bytes(4, "big"), data)


def envelope(vector, kind, *keys):
    """Checks hash and signature of an envelope of format 1; the object's bytes and hash."""
    r = Bytes(bytes.fromhex(vector["envelope"]))
    same("kind", r.number(1), kind), same("format", r.number(2), 1)
    data = r.string(4)
    hashed = object_hash(kind, 1, data)
    same("object hash", hashed.hex(), vector["object_hash"])
    for _ in range(limited(r.number(1), 1, 4)):
        suite, key, signature = r.number(1), r.string(1), r.string(1)
        same("suite", suite, 1)
        true("signed by whom it should be", not keys or key in keys)
        true("signature", signed(key, hashed, signature))
    r.end()
    return data, hashed


def identity(data):
    r = Bytes(data)
    out = {"seat": r.take(16).hex(), "serial": r.number(4), "kind": limited(r.number(1), 1, 3)}
    out |= {"title": r.text(2), "department": r.text(2), "jurisdiction": r.text(1), "key": r.take(32).hex()}
    out["suite"] = limited(r.number(1), 1, 1)
    out["permitted_types"] = [name(r) for _ in range(limited(r.number(1), 0, 64))]
    out |= {"admits": limited(r.number(1), 0, 1), "issuer": r.take(16).hex()}
    r.end()
    return out


def header(data):
    r = Bytes(data)
    out = {"suite": limited(r.number(1), 1, 1), "seat": r.take(16), "lane": limited(r.number(1), 0, 2)}
    out["epoch"] = (limited(r.number(4), 1, 2**32), r.take(16))
    out |= {"opening": r.take(32), "sequence": limited(r.number(8), 1, 2**64), "previous": r.take(32)}
    out |= {"history": r.take(32), "time": r.number(8), "identity": r.take(32), "groups": []}
    for _ in range(limited(r.number(2), 1, 1000)):
        h = r.string(2)
        inner = Bytes(h)
        hint(inner), inner.end()
        out["groups"].append((h, limited(r.number(4), 1, 1000), r.take(32)))
    out |= {"count": r.number(4), "root": r.take(32)}
    r.end()
    hints = [g[0] for g in out["groups"]]
    true("hints ascend", hints == sorted(set(hints)))
    same("count", sum(g[1] for g in out["groups"]), limited(out["count"], 1, 1000))
    return out


def table_leaf(group):
    return sha(b"\3", len(group[0]).to_bytes(2, "big"), group[0], group[1].to_bytes(4, "big"), group[2])


def body(data, groups):
    """Checks a slice body against its header's groups; {index in the batch: opening} in body order."""
    r, out, least, records = Bytes(data), {}, 0, set()
    same("body format", r.number(1), 1)
    for _ in range(r.number(2)):
        at = limited(r.number(2), least, len(groups) - 1)
        least = at + 1
        h, count, group_root = groups[at]
        members, proof = list(range(count)), []
        if limited(r.number(1), 0, 1):
            members = [r.number(4) for _ in range(limited(r.number(4), 1, count - 1))]
            proof = [r.take(32) for _ in range(r.number(4))]
            true("members ascend", members == sorted(set(members)))
        base, known, last = sum(g[1] for g in groups[:at]), {}, (b"", b"")
        for m in members:
            opened = opening(r.string(4))
            _, front = head(opened[3][0])
            same("hint of the head", front[0], h)
            true("entries ascend by type and key", last < front[1:])
            true("one entry per record", front[1:] not in records)
            records.add(front[1:])
            last, known[m], out[base + m] = front[1:], opened[0], opened
        same("root of the group", proven(count, known, proof), group_root)
    r.end()
    return out


# ---- the files --------------------------------------------------------------------------------------------------------


def check_keys(v, _):
    for k in v:
        key = public(bytes.fromhex(k["seed"]))
        same("public key", key.hex(), k["public"])
        same("fingerprint", sha(key).hex(), k["fingerprint"])


def check_values(v, _):
    for x in v["accepted"]:
        r = Bytes(bytes.fromhex(x["bytes"]))
        same("value", value(r), x["reads"])
        r.end()
    for x in v["refused"]:
        try:
            r = Bytes(bytes.fromhex(x["refused_bytes"]))
            value(r), r.end()
        except Wrong:
            Count.done += 1
            continue
        raise Wrong(f"{x['why']} was accepted")


def check_record_keys(v, _):
    for x in v:
        columns = [bytes.fromhex(c) for c in x["columns"]]
        for c in columns:
            r = Bytes(c)
            value(r), r.end()
        clear = b"\1" + bytes([len(columns)]) + b"".join(columns)
        if "secret" in x:
            key = b"\3" + hmac.new(bytes.fromhex(x["secret"]), clear, "sha256").digest()
        else:
            key = clear if len(clear) <= 256 else b"\2" + sha(clear)
        same("key", key.hex(), x["key"])
        record_key(key)


def check_heads(v, _):
    for x in v:
        same("head", head(bytes.fromhex(x["bytes"]))[0], x["reads"])


def check_openings(v, _):
    leaves = set()
    for x in v["openings"]:
        leaf, salt, shown, open_bytes = opening(bytes.fromhex(x["opening"]))
        same("sections", shown, x["sections"])
        same("leaf", leaf.hex(), x["leaf"])
        true("salt", salt in (None, bytes.fromhex(v["leaf_salt"])))
        leaves.add(leaf)
        head(open_bytes[0])
        for number, b in open_bytes.items():
            number == 0 or fields(b)
    same("openings of one leaf", len(leaves), 1)


def check_builtin(v, _):
    for x in v:
        leaf, _, _, open_bytes = opening(bytes.fromhex(x["opening"]))
        same("leaf", leaf.hex(), x["leaf"])
        same("head", head(open_bytes[0])[0], x["head"])
        same("record type", x["head"]["record_type"], x["record_type"])
        same("sections", sorted(open_bytes), [0, x["section"]])
        same("fields", fields(open_bytes[x["section"]]), x["fields"])


def check_trees(v, _):
    leaves = lambda n: [sha(i.to_bytes(4, "big")) for i in range(n)]
    for n, r in enumerate(v["roots"]):
        same(f"root over {n}", root(leaves(n)).hex(), r)
    for x in v["proofs"] + [v["subset_of_subset"]]:
        all_leaves = leaves(x["count"])
        known = {m: all_leaves[m] for m in x["members"]}
        same("root", root(all_leaves).hex(), x["root"])
        same("proven root", proven(x["count"], known, [bytes.fromhex(h) for h in x["proof"]]).hex(), x["root"])


def check_directory(v, _):
    r = Bytes(envelope(v["root"], 1)[0])
    same("root version", r.number(4), 1), same("former", r.take(32), bytes(32))
    threshold, n = r.number(1), limited(r.number(1), 1, 4)
    keys = [r.take(32) for _ in range(n)]
    r.end()
    true("threshold", 1 <= threshold <= len(set(keys)))
    envelope(v["root"], 1, *keys)
    issuers = {bytes(16).hex(): keys}
    for x in v["identities"]:
        i = identity(envelope(x, 2)[0])
        same("identity", i, x["reads"])
        envelope(x, 2, *issuers[i["issuer"]])
        issuers[i["seat"]] = [bytes.fromhex(i["key"])]
    data, _ = envelope(v["opening"], 5)
    r = Bytes(data)
    seat, epoch, ident, _ = r.take(16), (r.number(4), r.take(16)), r.take(32), r.take(16)
    for _ in range(3):
        same("last known header of a first epoch", (r.number(8), r.take(32)), (0, bytes(32)))
    r.end()
    department = v["identities"][-1]
    same("opening of", seat.hex(), department["reads"]["seat"])
    same("opened under", ident.hex(), department["object_hash"])
    envelope(v["opening"], 5, bytes.fromhex(department["reads"]["key"]))
    p = v["presence"]
    hashed = object_hash(11, 1, bytes.fromhex(p["exporter"] + p["seat"]))
    same("presence", hashed.hex(), p["object_hash"])
    true("presence is signed", signed(issuers[p["seat"]][0], hashed, bytes.fromhex(p["signature"])))
    return {"seat": seat, "epoch": epoch, "identity": ident}


def check_batches(v, files):
    directory = files["directory"]
    names = check_directory(directory, files)
    opened_as = bytes.fromhex(directory["opening"]["object_hash"])
    key = bytes.fromhex(directory["identities"][-1]["reads"]["key"])
    previous, history = opened_as, []
    for s, b in enumerate(v, 1):
        data, hashed = envelope(b, 9, key)
        h = header(data)
        for part, want in names.items():
            same(part, h[part], want)
        same("opening", h["opening"], opened_as)
        same("sequence", [h["sequence"], h["sequence"]], [s, b["sequence"]])
        same("previous", [h["previous"].hex()] * 2, [previous.hex(), b["previous"]])
        same("history", [h["history"].hex()] * 2, [root(history).hex(), b["history"]])
        same("root", [h["root"].hex()] * 2, [root([table_leaf(g) for g in h["groups"]]).hex(), b["root"]])
        opened = body(bytes.fromhex(b["body"]), h["groups"])
        same("entries", list(opened), list(range(h["count"])))
        for index, (_, salt, _, _) in opened.items():
            same("leaf salt", salt, sha(bytes.fromhex(b["secret"]), index.to_bytes(4, "big"))[:16])
        base = 0
        same("groups", len(b["groups"]), len(h["groups"]))
        for g, shown in zip(h["groups"], b["groups"]):
            leaves = [opened[i][0] for i in range(base, base + g[1])]
            base += g[1]
            same("hint", g[0].hex(), shown["hint"])
            same("leaves", [l.hex() for l in leaves], shown["leaves"])
            same("group root", [root(leaves).hex(), g[2].hex()], [shown["root"]] * 2)
            same("table leaf", table_leaf(g).hex(), shown["table_leaf"])
        for cut in b.get("cuts", []):
            part = body(bytes.fromhex(cut["body"]), h["groups"])
            same("indexes", list(part), cut["indexes"])
            for index, (_, _, _, open_bytes) in part.items():
                for number, content in open_bytes.items():
                    same("bytes of a section", content, opened[index][3][number])
        previous = hashed
        history.append(hashed)
    return history


def check_receipts(v, files):
    headers = check_batches(files["batches"], files)
    identities = [x["reads"] for x in files["directory"]["identities"]]
    keys = {i["seat"]: bytes.fromhex(i["key"]) for i in identities}
    for x in v:
        r = Bytes(envelope(x, 10)[0])
        out = {"seat": r.take(16).hex(), "lane": limited(r.number(1), 0, 2), "opening": r.take(32).hex()}
        for what in ("durable", "safeguarded"):
            out |= {what: r.number(8), what + "_hash": r.take(32).hex()}
            want = headers[out[what] - 1] if out[what] else bytes(32)
            same(what, out[what + "_hash"], want.hex())
        out |= {"node": r.take(16).hex(), "incarnation": r.take(16).hex(), "at": str(r.number(8, signed=True))}
        r.end()
        same("receipt", out, x["reads"])
        same("log", [out["seat"], out["opening"]], [identities[-1]["seat"], files["directory"]["opening"]["object_hash"]])
        envelope(x, 10, keys[out["node"]])


CHECKS = {f.__name__[6:]: f for f in (
    check_keys, check_values, check_record_keys, check_heads, check_openings, check_builtin, check_trees,
    check_directory, check_batches, check_receipts)}  # fmt: skip


def places(v):
    """Every (container, index) whose value is a text of hexadecimal digits that means something."""
    for at, x in v.items() if isinstance(v, dict) else enumerate(v):
        if isinstance(x, (dict, list)):
            yield from places(x)
        elif isinstance(x, str) and re.fullmatch("[0-9a-f]{2,}", x) and at != "refused_bytes":
            yield v, at


def turn_digits(files):
    turned = 0
    for file, check in CHECKS.items():
        for container, at in list(places(files[file])):
            kept = container[at]
            place = (turned * 7) % len(kept)
            other = "0" if kept[place] != "0" else "8"
            container[at] = kept[:place] + other + kept[place + 1 :]
            try:
                check(files[file], files)
            except (Wrong, KeyError, IndexError, ValueError):
                turned += 1
            else:
                raise Wrong(f"{file}.json: a turned digit in {at} was not noticed: {kept}")
            container[at] = kept
    return turned


def main(arguments):
    turning = "--turn-digits" in arguments
    folders = [a for a in arguments if a != "--turn-digits"]
    folder = pathlib.Path(folders[0] if folders else pathlib.Path(__file__).parent)
    try:
        files = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in CHECKS}
        for name, check in CHECKS.items():
            try:
                check(files[name], files)
            except Wrong as e:
                raise Wrong(f"{name}.json: {e}")
        if turning:
            print(f"OK {turn_digits(files)} changed values noticed")
        else:
            print(f"OK {Count.done} checks")
    except (Wrong, OSError, KeyError, IndexError, ValueError, TypeError) as e:
        print(f"FAILED {type(e).__name__}: {e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
