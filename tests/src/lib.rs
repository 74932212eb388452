//! What the whole-bundle tests share.
