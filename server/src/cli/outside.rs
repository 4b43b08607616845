//! Settings of services outside: the server's own address, mail, single sign-on.

use crate::auth::sso::{Sso, SsoSettings};
use crate::mail::{MailSettings, Mailer};
use crate::notify::guard::Guard;
use crate::outward::Outward;
use anyhow::{Context, Result, bail};
use clap::Args;
use headroom_domain::access::Role;
use lettre::message::Mailbox;
use openidconnect::ClientSecret;
use std::path::PathBuf;
use url::Url;

/// Services outside. Secrets are better put into the environment than on the command line, where others can read them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Services outside")]
pub(super) struct Outside {
    /// The server's own address as browsers see it, such as https://headroom.example.org; mail and single sign-on need it
    #[arg(long, env = "HEADROOM_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Url>,
    /// SMTP server, such as smtps://user:password@mail.example.org or smtp://mail.example.org:587?tls=required
    #[arg(long, env = "HEADROOM_SMTP_URL", hide_env_values = true, value_name = "URL", requires_all = ["mail_from", "public_url"])]
    smtp_url: Option<String>,
    /// Sender of mail, such as "Headroom <headroom@example.org>"
    #[arg(long, env = "HEADROOM_MAIL_FROM", value_name = "MAILBOX", requires = "smtp_url")]
    mail_from: Option<Mailbox>,
    /// OpenID Connect provider that signs people in, such as https://login.example.org
    #[arg(long, env = "HEADROOM_OIDC_ISSUER", value_name = "URL", requires_all = ["oidc_client_id", "public_url"])]
    oidc_issuer: Option<Url>,
    /// What the provider calls this server
    #[arg(long, env = "HEADROOM_OIDC_CLIENT_ID", value_name = "ID", requires = "oidc_issuer")]
    oidc_client_id: Option<String>,
    /// How this server proves itself to the provider; none for a public client
    #[arg(
        long,
        env = "HEADROOM_OIDC_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        requires = "oidc_issuer"
    )]
    oidc_client_secret: Option<String>,
    /// The same, read from a file
    #[arg(
        long,
        env = "HEADROOM_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE",
        requires = "oidc_issuer",
        conflicts_with = "oidc_client_secret"
    )]
    oidc_client_secret_file: Option<PathBuf>,
    /// What the sign-in page calls the provider
    #[arg(long, env = "HEADROOM_OIDC_NAME", value_name = "NAME", default_value = "single sign-on")]
    oidc_name: String,
    /// Role of the account that is made when somebody signs in for the first time; without it only invited people can
    #[arg(long, env = "HEADROOM_OIDC_ROLE", value_name = "ROLE", requires = "oidc_issuer")]
    oidc_role: Option<Role>,
    /// Believe the provider's e-mail addresses although it does not say that it has checked them
    #[arg(long, env = "HEADROOM_OIDC_TRUST_EMAIL", requires = "oidc_issuer")]
    oidc_trust_email: bool,
    /// Let receivers of alerts be on this machine and in private networks; otherwise only public addresses are called
    #[arg(long, env = "HEADROOM_ALLOW_PRIVATE_RECEIVERS")]
    allow_private_receivers: bool,
}

/// Whether an address is that of a server.
pub(super) fn is_own_address(own: &Url) -> Result<()> {
    if !matches!(own.scheme(), "http" | "https") || own.path() != "/" || own.query().is_some() {
        bail!(
            "--public-url is {own}, expected an http or https address without a path, such as https://headroom.example.org"
        );
    }
    Ok(())
}

impl Outside {
    /// What the settings say, checked as far as it can be without asking anybody.
    pub(super) fn read(&self) -> Result<Outward> {
        if let Some(own) = &self.public_url {
            is_own_address(own)?;
        }
        let mail = match self.smtp_url.as_ref().zip(self.mail_from.as_ref()) {
            Some((url, from)) => {
                let settings = MailSettings { smtp_url: url.clone(), from: from.clone() };
                Some(Mailer::new(&settings).context("--smtp-url cannot be used")?)
            }
            None => None,
        };
        let guard = Guard { allow_private: self.allow_private_receivers };
        Ok(Outward { public_url: self.public_url.clone(), mail, sso: self.sso()?, guard })
    }

    fn sso(&self) -> Result<Option<Sso>> {
        let (Some(issuer), Some(client_id), Some(public_url)) =
            (&self.oidc_issuer, &self.oidc_client_id, &self.public_url)
        else {
            return Ok(None);
        };
        let secret = match (&self.oidc_client_secret, &self.oidc_client_secret_file) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        if self.oidc_role == Some(Role::TenantViewer) {
            bail!("--oidc-role cannot be tenant-viewer: which tenants it would see is for an administrator to say");
        }
        let settings = SsoSettings {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            client_secret: secret.map(ClientSecret::new),
            name: self.oidc_name.clone(),
            trust_email: self.oidc_trust_email,
            role: self.oidc_role,
            public_url: public_url.clone(),
        };
        Sso::new(settings).map(Some).map_err(anyhow::Error::msg)
    }
}
