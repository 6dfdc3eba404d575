//! Trees: the growing history and proofs for any subset against the definition of RFC 6962 written out.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::hash::{self, Hash};
use protocol::merkle::{self, History, Subset};

/// The definition: split at the largest power of two below the number of leaves.
fn defined(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash::sha256(&[]),
        [one] => *one,
        more => {
            let mut at = 1;
            while at * 2 < more.len() {
                at *= 2;
            }
            hash::node(&defined(&more[..at]), &defined(&more[at..]))
        }
    }
}

fn leaves(count: u32) -> Vec<Hash> {
    (0..count)
        .map(|n| hash::sha256(&[&n.to_be_bytes()]))
        .collect()
}

/// Indexes of the set bits, and the leaves there.
fn chosen(of: &[u32], bits: &[bool], all: &[Hash]) -> (Vec<u32>, Vec<Hash>) {
    let members: Vec<u32> = of
        .iter()
        .zip(bits.iter().cycle())
        .filter(|(_, bit)| **bit)
        .map(|(m, _)| *m)
        .collect();
    let held = members.iter().map(|m| all[*m as usize]).collect();
    (members, held)
}

#[test]
fn every_subset_of_small_trees() {
    for count in 0..=9u32 {
        let all = leaves(count);
        let root = defined(&all);
        assert_eq!(merkle::root(&all), root);
        for set in 0u32..1 << count {
            let members: Vec<u32> = (0..count).filter(|i| set & (1 << i) != 0).collect();
            let held: Vec<Hash> = members.iter().map(|m| all[*m as usize]).collect();
            let proof = merkle::prove(&all, &members);
            if count > 0 {
                assert_eq!(
                    merkle::root_from(count, &members, &held, &proof),
                    Some(root)
                );
            }
        }
    }
}

/// Leaves that would give the root are refused under places that are not theirs: twice the same, or beyond the tree.
#[test]
fn members_are_places_of_the_tree_once_each() {
    let all = leaves(2);
    let root = Some(defined(&all));
    for (members, there) in [
        ([0, 1], true),
        ([0, 0], false),
        ([1, 1], false),
        ([0, 2], false),
        ([1, 0], false),
    ] {
        let found = merkle::root_from(2, &members, &all, &[]);
        assert_eq!(found, root.filter(|_| there), "{members:?}");
        let subset = Subset {
            members: members.to_vec(),
            leaves: all.clone(),
            proof: Vec::new(),
        };
        let good = Subset {
            members: vec![0, 1],
            ..subset.clone()
        };
        let joined = merkle::join(2, &subset, &good);
        assert_eq!(joined.is_some(), there, "{members:?}");
        let joined = merkle::join(2, &good, &subset);
        assert_eq!(joined.is_some(), there, "{members:?}");
    }
}

#[test]
fn the_tree_of_nothing() {
    let nothing = Some(hash::sha256(&[]));
    assert_eq!(merkle::root_from(0, &[], &[], &[]), nothing);
    assert_eq!(merkle::root_from(0, &[], &[], &[Hash::ZERO]), None);
    assert_eq!(merkle::root_from(0, &[0], &[Hash::ZERO], &[]), None);
    let empty = Subset::default();
    assert_eq!(merkle::join(0, &empty, &empty), None);
}

#[test]
fn bytes_that_are_no_history() {
    let of = |size: u64, peaks: usize, tail: usize| {
        [size.to_be_bytes().to_vec(), vec![7; 32 * peaks + tail]].concat()
    };
    for (what, bytes, there) in [
        ("empty", of(0, 0, 0), true),
        ("three headers", of(3, 2, 0), true),
        ("a peak too few", of(3, 1, 0), false),
        ("a peak too many", of(3, 3, 0), false),
        ("bytes behind", of(3, 2, 1), false),
        ("no size", vec![0; 7], false),
    ] {
        assert_eq!(History::from_bytes(&bytes).is_some(), there, "{what}");
    }
}

proptest! {
    #[test]
    fn subsets_of_subsets(
        count in 1u32..300,
        first in vec(any::<bool>(), 1..300),
        second in vec(any::<bool>(), 1..300),
        bent in any::<prop::sample::Index>(),
    ) {
        let all = leaves(count);
        let root = defined(&all);
        let (members, held) = chosen(&(0..count).collect::<Vec<_>>(), &first, &all);
        let proof = merkle::prove(&all, &members);
        prop_assert_eq!(merkle::root_from(count, &members, &held, &proof), Some(root));

        let (wanted, wanted_held) = chosen(&members, &second, &all);
        let narrower = merkle::prove_from(count, &members, &held, &proof, &wanted);
        prop_assert_eq!(narrower.clone(), Some(merkle::prove(&all, &wanted)));
        let narrower = narrower.unwrap_or_default();
        prop_assert_eq!(merkle::root_from(count, &wanted, &wanted_held, &narrower), Some(root));

        // nothing else gives the root: another leaf, a proof too long or too short, another count
        if !held.is_empty() {
            let mut other = held.clone();
            other[bent.index(held.len())].0[0] ^= 1;
            prop_assert_ne!(merkle::root_from(count, &members, &other, &proof), Some(root));
        }
        if !proof.is_empty() {
            let mut other = proof.clone();
            other[bent.index(proof.len())].0[31] ^= 0x80;
            prop_assert_ne!(merkle::root_from(count, &members, &held, &other), Some(root));
            prop_assert_eq!(merkle::root_from(count, &members, &held, &proof[1..]), None);
        }
        let longer = [proof.as_slice(), &[Hash::ZERO]].concat();
        prop_assert_eq!(merkle::root_from(count, &members, &held, &longer), None);
        prop_assert!(merkle::prove_from(count, &members, &held, &longer, &wanted).is_none());
    }

    /// Two subsets together are the subset of both, whichever comes first and however often.
    #[test]
    fn subsets_join(
        count in 1u32..120,
        first in vec(any::<bool>(), 1..120),
        second in vec(any::<bool>(), 1..120),
        bent in any::<prop::sample::Index>(),
    ) {
        let all = leaves(count);
        let every: Vec<u32> = (0..count).collect();
        let subset = |bits: &[bool]| {
            let (members, held) = chosen(&every, bits, &all);
            let proof = merkle::prove(&all, &members);
            Subset { members, leaves: held, proof }
        };
        let (one, other) = (subset(&first), subset(&second));
        let bit = |bits: &[bool], at: usize| bits[at % bits.len()];
        let both: Vec<bool> = (0..count as usize)
            .map(|at| bit(&first, at) || bit(&second, at))
            .collect();
        let together = subset(&both);
        prop_assert_eq!(merkle::join(count, &one, &other), Some(together.clone()));
        prop_assert_eq!(merkle::join(count, &other, &one), Some(together.clone()));
        prop_assert_eq!(merkle::join(count, &one, &one), Some(one.clone()));
        prop_assert_eq!(merkle::join(count, &together, &one), Some(together));

        // what does not fit is no subset
        let longer = Subset { proof: [one.proof.as_slice(), &[Hash::ZERO]].concat(), ..one.clone() };
        prop_assert_eq!(merkle::join(count, &longer, &other), None);
        prop_assert_eq!(merkle::join(count, &other, &longer), None);
        if !one.proof.is_empty() {
            let shorter = Subset { proof: one.proof[1..].to_vec(), ..one.clone() };
            prop_assert_eq!(merkle::join(count, &shorter, &other), None);
        }
        if !one.leaves.is_empty() {
            let mut fewer = one.clone();
            fewer.leaves.remove(bent.index(one.leaves.len()));
            prop_assert_eq!(merkle::join(count, &fewer, &other), None);
        }
    }

    #[test]
    fn members_that_do_not_fit(
        count in 0u32..40,
        members in vec(0u32..50, 0..40),
        proof in vec(any::<[u8; 32]>().prop_map(Hash), 0..8),
    ) {
        let held = vec![Hash::ZERO; members.len()];
        let sorted = members.is_sorted_by(|a, b| a < b) && members.iter().all(|m| *m < count);
        let root = merkle::root_from(count, &members, &held, &proof);
        prop_assert!(sorted || root.is_none());
        let _ = merkle::prove_from(count, &members, &held, &proof, &[0]);
        let subset = Subset { members, leaves: held, proof };
        let joined = merkle::join(count, &subset, &subset);
        prop_assert_eq!(joined, root.filter(|_| count > 0).map(|_| subset));
    }

    #[test]
    fn a_history_grows_into_the_same_root(count in 0u32..200, stop in any::<prop::sample::Index>()) {
        let all = leaves(count);
        let stop = stop.index(count as usize + 1);
        let mut history = History::default();
        for (at, leaf) in all.iter().enumerate() {
            if at == stop {
                history = History::from_bytes(&history.to_bytes()).expect("its own bytes");
            }
            history.push(*leaf);
        }
        prop_assert_eq!(history.root(), defined(&all));
        prop_assert_eq!(history.size(), u64::from(count));
    }
}
