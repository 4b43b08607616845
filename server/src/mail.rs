//! Letters to people, through the SMTP server that the operator names.

use lettre::message::{Mailbox, header::ContentType};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// The SMTP server answers each command within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server was told about mail.
#[derive(Clone)]
pub struct MailSettings {
    /// `smtps://user:password@host`, or `smtp://host:587?tls=required`.
    pub smtp_url: String,
    /// Whose name letters carry, such as `Headroom <headroom@example.org>`.
    pub from: Mailbox,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address holds a password.
        f.debug_struct("MailSettings").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Name of who gets it.
    pub name: String,
    /// E-mail address of who gets it.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// A letter that did not leave; the text is for the log and for administrators.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be sent: {text}")]
pub struct MailError {
    text: String,
    /// Sending it again would not help.
    pub is_final: bool,
}

/// Sends letters.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer; it connects with the first letter.
    ///
    /// # Errors
    /// If the address of the SMTP server cannot be read.
    pub fn new(settings: &MailSettings) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.smtp_url)
            .map_err(|error| MailError { text: error.to_string(), is_final: true })?
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self { transport, from: settings.from.clone() })
    }

    /// Sends a letter: the SMTP server has taken it when this returns.
    ///
    /// # Errors
    /// If it did not take it.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        self.send_as(letter, None).await
    }

    /// The same under an id, by which a mailbox that gets it twice can tell.
    ///
    /// # Errors
    /// If it did not take it.
    pub async fn send_as(&self, letter: &Letter, id: Option<String>) -> Result<(), MailError> {
        let wrong = |error: &dyn std::error::Error| MailError { text: error.to_string(), is_final: true };
        let address = letter.to.parse().map_err(|error| wrong(&error))?;
        let name = Some(letter.name.clone()).filter(|name| !name.is_empty());
        let mut message =
            Message::builder().from(self.from.clone()).to(Mailbox::new(name, address)).subject(letter.subject.clone());
        if let Some(id) = id {
            message = message.message_id(Some(id));
        }
        let message =
            message.header(ContentType::TEXT_PLAIN).body(letter.text.clone()).map_err(|error| wrong(&error))?;
        let sent = self.transport.send(message).await;
        // A password that is refused is put right by whoever runs the server, and the letter goes out then.
        let is_about_password = |code: u16| matches!(code, 530 | 534 | 535 | 538);
        sent.map_err(|error| MailError {
            text: error.to_string(),
            is_final: error.is_permanent() && !error.status().is_some_and(|code| is_about_password(code.into())),
        })?;
        Ok(())
    }
}
