//! Standards, mapping and checking, as data.
