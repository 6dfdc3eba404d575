"""Ed25519, RFC 8032 section 5.1: points (X, Y, Z, T) of the twisted Edwards curve over 2^255 - 19."""
import functools, hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
NOTHING = (0, 1, 1, 0)

# points of small order, with the top bit cleared
SMALL = {bytes(32), bytes([1]) + bytes(31), bytes([0xEC]) + b"\xff" * 30 + b"\x7f"} | {
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
}


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    out = NOTHING
    while n:
        if n & 1:
            out = add(out, p)
        p, n = add(p, p), n >> 1
    return out


def both(n, p, m, q):
    """n times p and m times q, doubled together."""
    table, out = (None, p, q, add(p, q)), NOTHING
    for bit in range(max(n.bit_length(), m.bit_length()) - 1, -1, -1):
        out = add(out, out)
        which = (n >> bit & 1) | (m >> bit & 1) << 1
        if which:
            out = add(out, table[which])
    return out


@functools.lru_cache(maxsize=None)
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


def is_key(b):
    """Whether bytes may be a signing key at all."""
    if len(b) != 32:
        return False
    y = b[:31] + bytes([b[31] & 0x7F])
    return int.from_bytes(y, "little") < P and y not in SMALL


@functools.lru_cache(maxsize=None)
def signed(key, message, signature):
    """Whether the signature is the key's over the message. A key that may be none signs nothing."""
    if not is_key(key) or len(signature) != 64:
        return False
    a, s = point(key), int.from_bytes(signature[32:], "little")
    if a is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], 1, P - a[3])
    return packed(both(s, BASE, k, minus_a)) == signature[:32]
