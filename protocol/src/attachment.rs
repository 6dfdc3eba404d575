//! Attachments in pieces: the tree over them by which each piece verifies alone, and nobody takes more than was announced.
//!
//! An attachment is cut into pieces of [`limits::PIECE_BYTES`], the last of 1 byte to as many. Its root is the tree of RFC 6962
//! over `H(09 piece)`; a piece travels with the proof of its place, at most [`limits::PIECE_PROOF_MAX`] hashes.

use crate::hash::{self, Hash};
use crate::limits;
use crate::merkle;

/// Number of pieces of an attachment of `size` bytes; 0 for a size that no attachment has.
pub fn pieces(size: u64) -> u32 {
    match size {
        1..=limits::ATTACHMENT_BYTES_MAX => size.div_ceil(limits::PIECE_BYTES as u64) as u32,
        _ => 0,
    }
}

/// Bytes of the piece at `index` of an attachment of `size` bytes; `None` if there is no such piece.
pub fn piece_len(size: u64, index: u32) -> Option<usize> {
    let before = u64::from(index) * limits::PIECE_BYTES as u64;
    (index < pieces(size)).then(|| (size - before).min(limits::PIECE_BYTES as u64) as usize)
}

/// Leaf of a piece.
pub fn piece_hash(piece: &[u8]) -> Hash {
    hash::sha256(&[&[hash::PIECE], piece])
}

/// Root over the hashes of all pieces, in their order.
pub fn root(pieces: &[Hash]) -> Hash {
    merkle::root(pieces)
}

/// Proof for the piece at `index`, from the hashes of all pieces; `None` if there is no such piece.
pub fn prove(pieces: &[Hash], index: u32) -> Option<Vec<Hash>> {
    ((index as usize) < pieces.len()).then(|| merkle::prove(pieces, &[index]))
}

/// Whether `piece` is the one at `index` of the attachment of `size` bytes with this root. Not: whoever sent it is at fault.
pub fn verifies(size: u64, root: &Hash, index: u32, piece: &[u8], proof: &[Hash]) -> bool {
    piece_len(size, index) == Some(piece.len())
        && merkle::root_from(pieces(size), &[index], &[piece_hash(piece)], proof) == Some(*root)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = limits::PIECE_BYTES as u64;

    #[test]
    fn sizes_are_cut_into_pieces() {
        for (size, count, last) in [
            (0, 0, None),
            (1, 1, Some(1)),
            (PIECE - 1, 1, Some(PIECE - 1)),
            (PIECE, 1, Some(PIECE)),
            (PIECE + 1, 2, Some(1)),
            (3 * PIECE + 7, 4, Some(7)),
            (
                limits::ATTACHMENT_BYTES_MAX,
                limits::PIECES_MAX,
                Some(PIECE),
            ),
            (limits::ATTACHMENT_BYTES_MAX + 1, 0, None),
            (u64::MAX, 0, None),
        ] {
            assert_eq!(pieces(size), count, "{size}");
            let end = count.saturating_sub(1);
            assert_eq!(piece_len(size, end).map(|n| n as u64), last, "{size}");
            assert_eq!(piece_len(size, count), None, "{size}");
            assert_eq!(piece_len(size, u32::MAX), None, "{size}");
            if count > 1 {
                assert_eq!(piece_len(size, 0), Some(limits::PIECE_BYTES), "{size}");
            }
        }
        assert_eq!((limits::PIECES_MAX, limits::PIECE_PROOF_MAX), (64, 6));
    }

    #[test]
    fn every_piece_verifies_alone_and_nothing_else_does() {
        for (count, tail) in [(1u32, 5usize), (2, 1), (3, limits::PIECE_BYTES), (5, 9)] {
            let size = u64::from(count - 1) * PIECE + tail as u64;
            let piece = |index: u32| vec![index as u8; piece_len(size, index).expect("a piece")];
            let leaves: Vec<Hash> = (0..count).map(|i| piece_hash(&piece(i))).collect();
            let root = root(&leaves);
            for index in 0..count {
                let proof = prove(&leaves, index).expect("a piece");
                assert!(proof.len() <= limits::PIECE_PROOF_MAX);
                let bytes = piece(index);
                assert!(verifies(size, &root, index, &bytes, &proof));
                let mut other = bytes.clone();
                other[0] ^= 1;
                assert!(
                    !verifies(size, &root, index, &other, &proof),
                    "another byte"
                );
                assert!(
                    !verifies(size, &root, index + 1, &bytes, &proof),
                    "another place"
                );
                assert!(
                    !verifies(size, &Hash::ZERO, index, &bytes, &proof),
                    "another root"
                );
                // the tree alone does not say how many pieces there are; the last piece shows it
                let last = index + 1 == count;
                assert!(
                    !last || !verifies(size + PIECE, &root, index, &bytes, &proof),
                    "another size"
                );
                let longer = [proof.as_slice(), &[Hash::ZERO]].concat();
                assert!(
                    !verifies(size, &root, index, &bytes, &longer),
                    "a longer proof"
                );
                assert!(
                    !verifies(size, &root, index, &bytes[1..], &proof),
                    "a shorter piece"
                );
            }
            assert_eq!(prove(&leaves, count), None);
        }
    }

    /// The length of the last piece is bound by the announced size, not by the tree alone.
    #[test]
    fn a_piece_of_another_length_than_announced_is_refused() {
        let bytes = vec![3; 10];
        let root = root(&[piece_hash(&bytes)]);
        assert!(verifies(10, &root, 0, &bytes, &[]));
        assert!(!verifies(11, &root, 0, &bytes, &[]));
        assert!(!verifies(9, &root, 0, &bytes, &[]));
    }

    #[test]
    fn the_largest_attachment_has_the_longest_proof() {
        let leaves: Vec<Hash> = (0..limits::PIECES_MAX)
            .map(|i| piece_hash(&i.to_be_bytes()))
            .collect();
        for index in [0, 31, 63] {
            assert_eq!(
                prove(&leaves, index).map(|p| p.len()),
                Some(limits::PIECE_PROOF_MAX)
            );
        }
    }
}
