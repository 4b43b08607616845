//! What the server was told about the world outside: its own address there, who sends its mail, who signs its people in.

use crate::auth::sso::Sso;
use crate::mail::Mailer;
use crate::notify::guard::Guard;
use url::Url;

/// Services outside, as far as there are any.
#[derive(Debug, Default)]
pub struct Outward {
    /// The server's own address as browsers see it, without a path.
    pub public_url: Option<Url>,
    /// Sends letters.
    pub mail: Option<Mailer>,
    /// Signs people in.
    pub sso: Option<Sso>,
    /// Which addresses receivers of alerts may have.
    pub guard: Guard,
}

impl Outward {
    /// The address of a page of ours as people elsewhere reach it.
    pub fn address_of(&self, path: &str) -> String {
        let own = self.public_url.as_ref().and_then(|own| own.join(path).ok());
        own.map_or_else(|| path.to_owned(), |url| url.to_string())
    }
}
