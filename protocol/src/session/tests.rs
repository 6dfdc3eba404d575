//! Two sessions in one thread under virtual time.
