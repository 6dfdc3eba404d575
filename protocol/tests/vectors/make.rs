//! Every vector file, by name. Compares nothing.

use crate::json::Json;
use crate::{
    admission, batches, builtin, codes, conversation, entries, heads, ids, leaves, logs, names,
    statements, unread, words,
};

/// Every vector file: name and content.
pub fn files() -> Vec<(&'static str, Json)> {
    vec![
        ("keys", names::keys()),
        ("names", names::names()),
        ("values", entries::values()),
        ("record_keys", entries::record_keys()),
        ("heads", heads::heads()),
        ("openings", leaves::openings()),
        ("trees", leaves::trees()),
        ("builtin", builtin::builtin_entries()),
        ("ids", ids::ids()),
        ("statements", statements::statements()),
        ("batches", batches::batches()),
        ("words", words::words()),
        ("logs", logs::logs()),
        ("unread", unread::unread()),
        ("frames", conversation::frames_file()),
        ("codes", codes::codes_file()),
        ("exchange", admission::exchange_file()),
    ]
}
