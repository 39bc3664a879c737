//! Tests over real vaults follow once one can be opened.
