//! Signing in: passwords, codes, single sign-on, sessions, tokens, and the gate that every route stands behind.

pub mod code;
pub mod gate;
pub mod lookup;
pub mod password;
pub mod session;
pub mod sso;
pub mod totp;
