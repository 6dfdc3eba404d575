//! Trees of RFC 6962: roots, proofs for any subset of leaves at once, and the growing history over a log's headers.

use crate::hash::{self, Hash};

/// Root over `leaves`; the root over nothing is the hash of the empty string.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut history = History::default();
    leaves.iter().for_each(|l| history.push(*l));
    history.root()
}

/// The largest power of two below `n` (n >= 2): where a tree of `n` leaves is split.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// A proof for the leaves at `members` (ascending) of a tree whose `leaves` are all known. See [`prove_from`].
pub fn prove(leaves: &[Hash], members: &[u32]) -> Vec<Hash> {
    let all: Vec<u32> = (0..leaves.len() as u32).collect();
    prove_from(leaves.len() as u32, &all, leaves, &[], members).unwrap_or_default()
}

/// Roots of the subtrees that hold none of the leaves at `wanted`, left to right, which is the order in which
/// [`root_from`] uses them: all of a tree costs no hash, none of it costs one. The tree has `count` leaves, of which those
/// at `members` are known together with the proof that they came with; `wanted` must be among `members`.
pub fn prove_from(
    count: u32,
    members: &[u32],
    leaves: &[Hash],
    proof: &[Hash],
    wanted: &[u32],
) -> Option<Vec<Hash>> {
    struct Walk<'a> {
        members: &'a [u32],
        leaves: &'a [Hash],
        proof: std::slice::Iter<'a, Hash>,
        wanted: &'a [u32],
        out: Vec<Hash>,
    }
    impl Walk<'_> {
        fn subtree(
            &mut self,
            base: u32,
            size: u32,
            known: (usize, usize),
            wanted: (usize, usize),
        ) -> Option<Hash> {
            if known.0 == known.1 {
                return if wanted.0 == wanted.1 {
                    self.proof.next().copied()
                } else {
                    None
                };
            }
            if wanted.0 == wanted.1 && (known.1 - known.0) as u32 == size {
                return Some(root(&self.leaves[known.0..known.1]));
            }
            if size == 1 {
                return Some(self.leaves[known.0]);
            }
            let at = split(size as usize) as u32;
            let cut = |all: &[u32], (from, to): (usize, usize)| {
                from + all[from..to].partition_point(|m| *m < base + at)
            };
            let (k, w) = (cut(self.members, known), cut(self.wanted, wanted));
            let left = self.subtree(base, at, (known.0, k), (wanted.0, w))?;
            if wanted.0 == w && w != wanted.1 {
                self.out.push(left);
            }
            let right = self.subtree(base + at, size - at, (k, known.1), (w, wanted.1))?;
            if w == wanted.1 && wanted.0 != w {
                self.out.push(right);
            }
            Some(hash::node(&left, &right))
        }
    }
    if count == 0 || members.len() != leaves.len() {
        return None;
    }
    let mut walk = Walk {
        members,
        leaves,
        proof: proof.iter(),
        wanted,
        out: Vec::new(),
    };
    let root = walk.subtree(0, count, (0, members.len()), (0, wanted.len()))?;
    if wanted.is_empty() {
        walk.out.push(root);
    }
    walk.proof.next().is_none().then_some(walk.out)
}

/// The root of a tree of `count` leaves, from the `leaves` at `members` (ascending, below `count`) and the proof that
/// [`prove`] gave; `None` if members or proof do not fit the tree.
pub fn root_from(count: u32, members: &[u32], leaves: &[Hash], proof: &[Hash]) -> Option<Hash> {
    struct Walk<'a> {
        members: &'a [u32],
        leaves: &'a [Hash],
        proof: std::slice::Iter<'a, Hash>,
    }
    impl Walk<'_> {
        fn subtree(&mut self, base: u32, size: u32, from: usize, to: usize) -> Option<Hash> {
            if from == to {
                return self.proof.next().copied();
            }
            if (to - from) as u32 == size {
                return Some(root(&self.leaves[from..to]));
            }
            let at = split(size as usize) as u32;
            let cut = from + self.members[from..to].partition_point(|m| *m < base + at);
            let left = self.subtree(base, at, from, cut)?;
            let right = self.subtree(base + at, size - at, cut, to)?;
            Some(hash::node(&left, &right))
        }
    }
    let fits = members.len() == leaves.len()
        && members.is_sorted_by(|a, b| a < b)
        && members.last().is_none_or(|last| *last < count);
    if !fits {
        return None;
    }
    let mut walk = Walk {
        members,
        leaves,
        proof: proof.iter(),
    };
    let root = match count {
        0 => root(&[]),
        _ => walk.subtree(0, count, 0, members.len())?,
    };
    walk.proof.next().is_none().then_some(root)
}

/// Some leaves of a tree with the proof that makes its root out of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subset {
    /// Their places, ascending.
    pub members: Vec<u32>,
    /// The leaves there.
    pub leaves: Vec<Hash>,
    /// Roots of the subtrees that hold none of them, left to right, as [`prove`] gives them.
    pub proof: Vec<Hash>,
}

/// The leaves of two subsets of one tree of `count` leaves together, with their proof. Both must have been found to give one
/// root; `None` if a proof does not fit its members, which such subsets never show.
pub fn join(count: u32, one: &Subset, other: &Subset) -> Option<Subset> {
    /// What one of the two says about the subtree that is walked.
    #[derive(Clone, Copy)]
    enum Side {
        /// Members in this range.
        Members(usize, usize),
        /// None of its members are here: its root, from the proof, is already used.
        Root,
    }
    struct Walk<'a> {
        sides: [(&'a Subset, std::slice::Iter<'a, Hash>); 2],
        out: Subset,
    }
    impl Walk<'_> {
        fn subtree(&mut self, base: u32, size: u32, mut range: [Side; 2]) -> Option<()> {
            let mut root = None;
            for (side, (_, proof)) in range.iter_mut().zip(&mut self.sides) {
                if matches!(side, Side::Members(from, to) if from == to) {
                    root = Some(*proof.next()?);
                    *side = Side::Root;
                }
            }
            let both_are_roots = range.iter().all(|s| matches!(s, Side::Root));
            if both_are_roots {
                self.out.proof.push(root?);
                return Some(());
            }
            if size == 1 {
                let held = range
                    .iter()
                    .zip(&self.sides)
                    .find_map(|(s, (set, _))| match s {
                        Side::Members(from, _) => set.leaves.get(*from),
                        Side::Root => None,
                    });
                self.out.members.push(base);
                self.out.leaves.push(*held?);
                return Some(());
            }
            let at = split(size as usize) as u32;
            let (mut left, mut right) = (range, range);
            for (n, (set, _)) in self.sides.iter().enumerate() {
                if let Side::Members(from, to) = range[n] {
                    let cut = from + set.members[from..to].partition_point(|m| *m < base + at);
                    (left[n], right[n]) = (Side::Members(from, cut), Side::Members(cut, to));
                }
            }
            self.subtree(base, at, left)?;
            self.subtree(base + at, size - at, right)
        }
    }
    let fits = |s: &Subset| {
        s.members.len() == s.leaves.len()
            && s.members.is_sorted_by(|a, b| a < b)
            && s.members.last().is_none_or(|last| *last < count)
    };
    if count == 0 || !fits(one) || !fits(other) {
        return None;
    }
    let whole = |s: &Subset| Side::Members(0, s.members.len());
    let mut walk = Walk {
        sides: [one, other].map(|s| (s, s.proof.iter())),
        out: Subset::default(),
    };
    walk.subtree(0, count, [whole(one), whole(other)])?;
    let used_up = walk.sides.iter_mut().all(|(_, p)| p.next().is_none());
    used_up.then_some(walk.out)
}

/// A tree that grows at its right end: keeps one hash per full subtree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    size: u64,
    peaks: Vec<Hash>,
}

impl History {
    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.peaks.push(leaf);
        self.size += 1;
        for _ in 0..self.size.trailing_zeros() {
            if let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop()) {
                self.peaks.push(hash::node(&left, &right));
            }
        }
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => hash::sha256(&[]),
            Some(last) => peaks.fold(*last, |right, left| hash::node(left, &right)),
        }
    }

    /// Bytes for a store: size and peaks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|p| out.extend_from_slice(&p.0));
        out
    }

    /// Reads [`History::to_bytes`]; `None` if the peaks do not fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (chunks, tail) = rest.as_chunks::<32>();
        (tail.is_empty() && chunks.len() == size.count_ones() as usize).then(|| Self {
            size,
            peaks: chunks.iter().map(|c| Hash(*c)).collect(),
        })
    }
}
