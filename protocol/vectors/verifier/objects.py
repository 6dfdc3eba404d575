"""Signed objects: envelopes, statements, receipts, feed heads, headers, slice bodies."""
from . import ed25519
from .entries import Opening, front, hint, merged, proven, root, settled
from .reading import (
    NONE, POSITION_MAX, Bytes, Refused, ascends, check_key, incarnation, is_organisation, is_permitted, is_region, keys,
    lane, need, pos, positions, reached, ref, refs, seat, sequence, sha, sigs, whole, within,
)  # fmt: skip

ENVELOPE_BYTES_MAX = HEADER_BYTES_MAX = 262144
SLICE_BYTES_MAX = 4194304


def object_hash(name_suite, kind, fmt, data):
    numbers = bytes([name_suite, kind]) + fmt.to_bytes(2, "big") + len(data).to_bytes(4, "big")
    return sha(b"zongheng\0", numbers, data)


class Envelope:
    def __init__(self, data):
        r = Bytes(data)
        self.suite, self.kind, self.format = r.number(1), r.number(1), r.number(2)
        need(self.suite != 0, "form")
        self.bytes, self.signatures = r.string(4), []
        within(len(self.bytes), 0, ENVELOPE_BYTES_MAX)
        for _ in range(within(r.number(1), 1, 8)):
            suite, key, signature = r.number(1), r.string(1), r.string(1)
            need(suite != 0, "form")
            need(suite != 1 or (len(key) == 32 and len(signature) == 64), "key")
            self.signatures.append((suite, key, signature))
            need(ascends([s[:2] for s in self.signatures[-2:]]), "order")
        r.end()
        self.hash = object_hash(self.suite, self.kind, self.format, self.bytes)

    @property
    def reference(self):
        return b"\1" + self.hash if self.suite == 1 else None

    @property
    def seat(self):
        return self.bytes[:16] if len(self.bytes) >= 16 else None

    def is_read(self):
        lane_read = self.kind != 9 or len(self.bytes) < 17 or self.bytes[16] <= 3
        return self.suite == 1 and 1 <= self.kind <= 13 and self.format == 1 and lane_read

    def has(self, suite, key):
        """Whether the signature that is required of a key is there and, of suite 1, good."""
        for s, k, signature in self.signatures:
            if (s, k) == (suite, key):
                return suite != 1 or ed25519.signed(key, self.hash, signature)
        return False

    def canonical(self, required):
        """Bytes with exactly the required signatures [(suite, key)], or None."""
        if not all(self.has(suite, key) for suite, key in required):
            return None
        kept = [s for s in self.signatures if s[:2] in required]
        out = bytes([self.suite, self.kind]) + self.format.to_bytes(2, "big")
        out += len(self.bytes).to_bytes(4, "big") + self.bytes + bytes([len(kept)])
        return out + b"".join(
            bytes([s, len(k)]) + k + bytes([len(signature)]) + signature for s, k, signature in kept
        )


def root_required(root_, envelope):
    """The keys of a root version that are required of an envelope: of each suite the first that make the threshold."""
    out = []
    for suite in sorted({s for s, _ in root_["keys"]}):
        having = [(s, k) for s, k in root_["keys"] if s == suite and envelope.has(s, k)]
        if len(having) < root_["threshold"]:
            return None
        out += having[: root_["threshold"]]
    return out


# ---- statements -------------------------------------------------------------------------------------------------------


def root_version(r):
    out = {"seat": r.take(16)}
    need(out["seat"] == bytes(16), "zero")
    out |= {"version": within(r.number(4), 1, 2**32), "former": ref(r, zero=True)}
    need((out["version"] == 1) == (out["former"] == NONE), "contradiction")
    out |= {"threshold": within(r.number(1), 1, 8), "keys": []}
    for _ in range(within(r.number(1), 1, 8)):
        suite, key = r.number(1), r.string(1)
        check_key(suite, 1, key)
        out["keys"].append((suite, key))
        need(ascends(out["keys"][-2:]), "order")
    suites = [s for s, _ in out["keys"]]
    need(1 in suites, "key")
    for suite in suites:
        within(suites.count(suite), out["threshold"], 4)
    return out


def identity(r):
    out = {"seat": seat(r), "serial": within(r.number(4), 1, 2**32), "kind": within(r.number(1), 1, 3, "form")}
    first, node = out["serial"] == 1, out["kind"] < 3
    out["organisation"] = r.text(1)
    need(is_organisation(out["organisation"]), "form")
    out |= {"title": r.text(2, 200, 1), "jurisdiction": r.text(1)}
    need(is_region(out["jurisdiction"]), "form")
    out["node"] = seat(r)
    need((out["node"] == out["seat"]) == node, "contradiction")
    out["keys"] = keys(r)
    need(not node or (1, 2) in [k[:2] for k in out["keys"]], "contradiction")
    out |= {"possession": sigs(r), "consent": sigs(r), "reason": r.text(1, 200)}
    need(not first or (not out["consent"] and not out["reason"]), "contradiction")
    out["permitted"] = []
    for _ in range(within(r.number(1), 0, 64)):
        out["permitted"].append(r.text(1))
        need(is_permitted(out["permitted"][-1]), "form")
    need(ascends([p.encode() for p in out["permitted"]]), "order")
    need(not node or not out["permitted"], "contradiction")
    out["admits"] = r.flag()
    need(node or not out["admits"], "contradiction")
    out["binds_from"] = [(r.number(4), r.number(8)) for _ in range(3)]
    for counter, n in out["binds_from"]:
        if first:
            need((counter, n) == (0, 0), "contradiction")
        else:
            within(counter, 1, 2**32), within(n, 1, POSITION_MAX)
    out["issuer"] = ref(r)
    return out


def revocation(r):
    out = {"seat": seat(r), "serial": r.number(4), "through": r.number(4)}
    out["logs"] = [(lane(r), ref(r), *reached(r)) for _ in range(within(r.number(1), 0, 48))]
    need(ascends([l[:2] for l in out["logs"]]), "order")
    out["standing"] = refs(r, within(r.number(2), 0, 4096))
    return out | {"code": r.number(1), "reason": r.text(1), "issuer": ref(r)}


def epoch_opening(r):
    out = {"seat": seat(r), "counter": within(r.number(4), 1, 2**32), "nonce": r.take(16), "identity": ref(r)}
    out |= {"instance": r.take(16), "last_known": positions(r)}
    out["void"] = refs(r, within(r.number(1), 0, 16))
    need(out["counter"] > 1 or (not out["last_known"] and not out["void"]), "contradiction")
    return out


def closing(r):
    out = {"seat": seat(r), "opening": ref(r), "serial": r.number(4), "identity": ref(r), "ends": positions(r)}
    out["lost"] = []
    for _ in range(within(r.number(2), 0, 512)):
        out["lost"].append((lane(r), sequence(r), sequence(r), ref(r, zero=True)))
        of, start, to, _ = out["lost"][-1]
        within(start, 1, to)
        if len(out["lost"]) > 1:
            before = out["lost"][-2]
            need((before[0], before[2]) < (of, start), "order")
    return out | {"asked": r.flag(), "note": r.text(1, 200)}


def fork_decision(r):
    out = {"seat": seat(r), "serial": r.number(4), "what": within(r.number(1), 1, 3, "form"), "lane": lane(r)}
    out |= {"opening": ref(r, zero=True), "place": sequence(r)}
    if out["what"] == 1:
        need(out["opening"] != NONE, "contradiction")
    else:
        need(out["lane"] == 0 and out["opening"] == NONE, "contradiction")
        within(out["place"], 1, 2**32 - 1)
    out |= {"survivor": ref(r), "others": refs(r, within(r.number(1), 1, 16))}
    need(out["survivor"] not in out["others"], "contradiction")
    return out | {"reason": r.text(1), "issuer": ref(r)}


def activation(r):
    out = {"seat": r.take(16), "serial": r.number(4), "suite": r.number(1), "kind": r.number(1), "format": r.number(2)}
    n = within(r.number(1), 0, 16)
    need(n == 0 or out["seat"] != bytes(16), "contradiction")
    out["from"] = [(lane(r), within(r.number(4), 1, 2**32), sequence(r)) for _ in range(n)]
    need(ascends([f[0] for f in out["from"]]), "order")
    return out | {"issuer": ref(r)}


def erasure(r):
    out = {"seat": seat(r), "items": []}
    for _ in range(within(r.number(2), 1, 3000)):
        item = (lane(r), ref(r), sequence(r), r.number(4), r.take(32), r.number(2))
        need(item[5] and not item[5] & 1, "form")
        out["items"].append(item)
        need(ascends([i[:5] for i in out["items"][-2:]]), "order")
    return out | {"code": r.number(1), "reason": r.text(1), "issuer": ref(r)}


def receipt(r):
    out = {"seat": r.take(16), "identity": ref(r), "incarnation": incarnation(r), "origin": r.take(16)}
    out |= {"lane": within(r.number(1), 0, 2, "form"), "opening": ref(r)}
    out |= {"durable": pos(r), "attached": pos(r), "safeguarded": pos(r), "instant": r.number(8, signed=True)}
    for lower, upper in (("safeguarded", "attached"), ("attached", "durable")):
        need(out[lower][0] < out[upper][0] or out[lower] == out[upper], "order")
    return out


def feed_head(r):
    out = {"seat": r.take(16), "identity": ref(r), "incarnation": incarnation(r)}
    out |= {"head": within(r.number(8), 0, POSITION_MAX), "peer": r.take(16)}
    return out | {"instant": r.number(8, signed=True)}


STATEMENTS = {
    1: root_version, 2: identity, 4: revocation, 5: epoch_opening, 6: closing, 7: fork_decision, 8: activation,
    12: erasure,
}  # fmt: skip
OBJECTS = STATEMENTS | {10: receipt, 13: feed_head}


def possession_bytes(its_seat, authority, put):
    return its_seat + authority + put


# ---- batches ----------------------------------------------------------------------------------------------------------


def header_front(data):
    """Seat, lane, opening, sequence and identity, whatever the rest is."""
    r = Bytes(data)
    out = {"seat": r.take(16), "lane": r.number(1)}
    r.take(4)
    out |= {"opening": r.take(33), "sequence": r.number(8)}
    r.take(33 + 32 + 8)
    return out | {"identity": ref(r)}


def header(data):
    within(len(data), 0, HEADER_BYTES_MAX)
    r = Bytes(data)
    out = {"seat": r.take(16), "lane": within(r.number(1), 0, 2, "form"), "counter": within(r.number(4), 1, 2**32)}
    out |= {"opening": ref(r), "sequence": sequence(r), "previous": ref(r), "history": r.take(32)}
    out |= {"time": r.number(8), "identity": ref(r), "groups": []}
    for _ in range(within(r.number(2), 1, 1000)):
        h = r.string(2)
        whole(h, hint)
        out["groups"].append((h, within(r.number(4), 1, 2**32), r.take(32)))
        need(ascends([g[0] for g in out["groups"][-2:]]), "order")
    out |= {"count": r.number(4), "root": r.take(32)}
    r.end()
    need(sum(g[1] for g in out["groups"]) == out["count"], "contradiction")
    within(out["count"], 1, 1000)
    need(root([table_leaf(g) for g in out["groups"]]) == out["root"], "tree")
    return out


def judged_header(data):
    """As `header`; what is too short to say whose it is is the relay's fault."""
    try:
        header_front(data)
    except Refused as e:
        raise Refused(e.reason, "relay")
    return header(data)


def table_leaf(group):
    return sha(b"\3", len(group[0]).to_bytes(2, "big"), group[0], group[1].to_bytes(4, "big"), group[2])


class Body:
    """A slice body that verifies against its header: groups as (position, members, proof), openings by index."""

    def __init__(self, data, groups):
        within(len(data), 0, SLICE_BYTES_MAX)
        r, outline, least = Bytes(data), [], 0
        need(r.number(1) == 1, "form")
        for _ in range(within(r.number(2), 1, 2**16)):
            at = within(r.number(2), 0, len(groups) - 1)
            need(at >= least, "order")
            least, count = at + 1, groups[at][1]
            members, proof = list(range(count)), None
            if within(r.number(1), 0, 1, "form"):
                members = [r.number(4) for _ in range(within(r.number(4), 1, count - 1))]
                n = r.number(4)
                need(ascends(members), "order")
                need(members[-1] < count, "bound")
                proof = [r.take(32) for _ in range(within(n, 0, count))]
            outline.append((at, members, proof, [r.string(4) for _ in members]))
        r.end()
        self.groups, self.openings, fronts, self.where = groups, {}, [], []
        for at, members, proof, parts in outline:
            base, fault, last = sum(g[1] for g in groups[:at]), False, (b"", b"")
            opened = [Opening(p) for p in parts]
            for o in opened:
                try:
                    hint_bytes, _, record_type, key = front(Bytes(o.content(0)))
                except Refused:
                    fault = True
                    continue
                record = (record_type.encode(), key)
                fault = fault or hint_bytes != groups[at][0] or record <= last
                last = record
                fronts.append(record)
            need(proven(groups[at][1], members, [o.leaf for o in opened], proof or []) == groups[at][2], "tree")
            need(not fault, "order", "origin")
            self.where.append((at, members, proof))
            self.openings |= {base + m: o for m, o in zip(members, opened)}
        need(len(set(fronts)) == len(fronts), "order", "origin")

    def has_every_leaf(self):
        return len(self.openings) == sum(g[1] for g in self.groups)

    def is_whole(self, erased):
        closed = [erased(i, o.leaf, n) for i, o in self.openings.items() for n in o.closed()]
        return self.has_every_leaf() and all(closed)


def put_body(groups, openings, held):
    """A body of these openings by index. `held` are bodies that verify, of which the leaves and proofs are."""
    out, n = b"", 0
    for at, (_, count, _) in enumerate(groups):
        base = sum(g[1] for g in groups[:at])
        members = [i - base for i in openings if base <= i < base + count]
        if not members:
            continue
        n += 1
        out += at.to_bytes(2, "big")
        if len(members) == count:
            out += b"\0"
        else:
            proof = proof_of(at, base, count, members, held)
            numbers = lambda all_: len(all_).to_bytes(4, "big")
            out += b"\1" + numbers(members) + b"".join(m.to_bytes(4, "big") for m in members)
            out += numbers(proof) + b"".join(proof)
        for m in members:
            opening = openings[base + m].bytes()
            out += len(opening).to_bytes(4, "big") + opening
    return b"\1" + n.to_bytes(2, "big") + out


def proof_of(at, base, count, members, held):
    """The proof for members of a group, from the leaves and the proofs of bodies that have them."""
    leaves, roots = {}, {}
    for body in held:
        for position, of, proof in body.where:
            if position == at:
                leaves |= {m: body.openings[base + m].leaf for m in of}
                roots |= subtrees(count, of, proof or [])

    def subtree(base_, size):
        """Root of a subtree of what is held."""
        if (base_, size) in roots:
            return roots[base_, size]
        if size == 1:
            return leaves[base_]
        k = 1 << (size - 1).bit_length() - 1
        return sha(b"\1", subtree(base_, k), subtree(base_ + k, size - k))

    def walk(base_, size):
        inside = [m for m in members if base_ <= m < base_ + size]
        if not inside:
            return [subtree(base_, size)]
        if len(inside) == size:
            return []
        k = 1 << (size - 1).bit_length() - 1
        return walk(base_, k) + walk(base_ + k, size - k)

    return walk(0, count)


def subtrees(count, members, proof):
    """Which subtree each hash of a proof is the root of."""
    proof, out = list(proof), {}

    def walk(base, size):
        inside = [m for m in members if base <= m < base + size]
        if not inside:
            out[base, size] = proof.pop(0)
        elif len(inside) < size:
            k = 1 << (size - 1).bit_length() - 1
            walk(base, k), walk(base + k, size - k)

    walk(0, count)
    return out


def merge_bodies(groups, one, other, erased):
    """Two bodies of one header as one."""
    openings = {}
    for i in sorted(set(one.openings) | set(other.openings)):
        both = [b.openings[i] for b in (one, other) if i in b.openings]
        openings[i] = merged(both[0], both[-1], lambda n: erased(i, both[0].leaf, n))
    return put_body(groups, openings, [one, other])


def addition(groups, held, new, erased):
    """The body to be stored beside what is held, or None: entries of which something is new, the sections that are missing."""
    openings = {}
    for i, o in new.openings.items():
        of = lambda n: erased(i, o.leaf, n)
        if held is None or i not in held.openings:
            openings[i] = settled(o, of)
            continue
        have = [n for n in o.sections if held.openings[i].is_open(n)]
        if any(o.is_open(n) and n not in have and not of(n) for n in o.sections):
            narrowed = o.rewritten(lambda n, why: why or (1 if n in have else 0))
            openings[i] = settled(narrowed, of)
    return put_body(groups, openings, [new]) if openings else None
