//! Receivers of alerts, and how telling them goes.

use super::sign_in::lost;
use super::{App, AppError, Problem, Result};
use crate::clock;
use crate::notify::settings;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::{Condition, Message, Workflow};
use headroom_domain::alert::notice::{Notice, WHOLE};
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::window::Lane;
use headroom_domain::slug::{Slug, check_name, nearest};
use headroom_store::account;
use headroom_store::audit::{self, Entry};
use headroom_store::notification::{self, Counts, New, Notification, TEST, Wanted, sha256_hex};
use headroom_store::receiver::{self, Fields, Receiver};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Most owners that one receiver is limited to.
const MAX_OWNERS: usize = 50;
/// Most receivers.
const MAX_RECEIVERS: usize = 1_000;
/// Most messages of one answer.
pub const MAX_NOTIFICATIONS: i64 = 1_000;
/// States of a message.
pub const STATES: [&str; 4] = ["waiting", "sent", "dead", "dropped"];

/// What a receiver is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its name in URLs; made from its name if it is left out.
    pub slug: Option<String>,
    /// Its name.
    pub name: String,
    /// What understands the messages.
    pub kind: Kind,
    /// Where it is. On a change, secrets that are left out stay.
    pub settings: Value,
    /// Which messages it gets.
    pub lanes: Vec<Lane>,
    /// Only those about alerts of these owners; of all if there are none.
    pub owners: Vec<String>,
    /// Id of the account whose own it is.
    pub account: Option<Uuid>,
    /// It is told when another one cannot be reached.
    pub is_failover: bool,
    /// It is told at all.
    pub enabled: bool,
}

/// A receiver as it is told: without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// As it is stored; its settings are without secrets.
    pub receiver: Receiver,
    /// Which secrets are set.
    pub secrets: Vec<(&'static str, bool)>,
    /// Id of the account whose own it is.
    pub account: Option<Uuid>,
}

/// How the telling goes, and messages.
#[derive(Debug, Clone)]
pub struct Told {
    /// In numbers.
    pub counts: Counts,
    /// The newest first.
    pub notifications: Vec<Notification>,
}

/// For the audit trail: no secret goes there.
fn recorded(fields: &Fields) -> Value {
    let (open, secrets) = settings::shown(fields.kind, &fields.settings);
    let set: Vec<_> = secrets.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
    json!({
        "slug": fields.slug,
        "name": fields.name,
        "kind": fields.kind,
        "settings": open,
        "secrets": set,
        "lanes": fields.lanes,
        "owners": fields.owners,
        "failover": fields.is_failover,
        "enabled": fields.enabled,
    })
}

fn fields_of(receiver: &Receiver) -> Fields {
    Fields {
        slug: receiver.slug.clone(),
        name: receiver.name.clone(),
        kind: receiver.kind,
        settings: receiver.settings.clone(),
        lanes: receiver.lanes.clone(),
        owners: receiver.owners.clone(),
        account: receiver.account,
        is_failover: receiver.is_failover,
        enabled: receiver.enabled,
    }
}

impl App {
    /// Checks what a receiver is to be, beside what it was.
    async fn receiver_fields(
        &self,
        conn: &mut PgConnection,
        draft: &Draft,
        before: Option<&Receiver>,
    ) -> Result<Fields> {
        let mut problems = Vec::new();
        let slug = match &draft.slug {
            Some(text) => match Slug::parse(text) {
                Ok(slug) => slug.to_string(),
                Err(error) => {
                    problems.push(Problem::new("slug", text, error.to_string()));
                    String::new()
                }
            },
            None => before
                .map_or_else(|| Slug::from_name(&draft.name, "receiver").to_string(), |before| before.slug.clone()),
        };
        if let Err(expected) = check_name(&draft.name) {
            problems.push(Problem::new("name", &draft.name, expected));
        }
        if draft.lanes.is_empty() {
            problems.push(Problem::new("lanes", "", "page, ticket or both"));
        }
        if draft.owners.len() > MAX_OWNERS {
            problems.push(Problem::new("owners", draft.owners.len().to_string(), format!("at most {MAX_OWNERS}")));
        }
        for owner in &draft.owners {
            if let Err(expected) = check_name(owner) {
                problems.push(Problem::new("owners", owner, expected));
            }
        }
        if draft.kind == Kind::Email && self.outward.mail.is_none() {
            problems.push(Problem::new("kind", "email", "another kind: this server sends no mail (--smtp-url)"));
        }
        if draft.is_failover && !draft.kind.takes_messages() {
            let expected = "false: this kind is told how things are, not of single changes";
            problems.push(Problem::new("failover", "true", expected));
        }
        // Secrets of one kind are none of another.
        let same = before.filter(|before| before.kind == draft.kind).map(|before| &before.settings);
        let settings = match settings::after(draft.kind, same, &draft.settings) {
            Ok(settings) => {
                problems.extend(settings::problems(draft.kind, &settings, self.outward.guard));
                settings
            }
            Err(problem) => {
                problems.push(problem);
                Value::Null
            }
        };
        let account = match draft.account {
            Some(id) => {
                let found = account::by_id(conn, id).await?;
                if found.is_none() {
                    problems.push(Problem::new("account", id.to_string(), "the id of an account that exists"));
                }
                found.map(|account| account.key)
            }
            None => None,
        };
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        Ok(Fields {
            slug,
            name: draft.name.clone(),
            kind: draft.kind,
            settings,
            lanes: draft.lanes.clone(),
            owners: draft.owners.clone(),
            account,
            is_failover: draft.is_failover,
            enabled: draft.enabled,
        })
    }

    /// All receivers by name.
    pub async fn receivers(&self) -> Result<Vec<Shown>> {
        self.require(Action::Administer)?;
        let mut conn = self.db.pages.acquire().await?;
        let mut all = Vec::new();
        for receiver in receiver::list(&mut conn).await? {
            all.push(shown(&mut conn, receiver).await?);
        }
        Ok(all)
    }

    /// One receiver.
    pub async fn receiver(&self, slug: &str) -> Result<Shown> {
        self.require(Action::Administer)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = find(&mut conn, slug).await?;
        shown(&mut conn, found).await
    }

    /// Makes a receiver.
    pub async fn create_receiver(&self, draft: &Draft) -> Result<Shown> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let fields = self.receiver_fields(&mut tx, draft, None).await?;
        if receiver::list(&mut tx).await?.len() >= MAX_RECEIVERS {
            return Err(AppError::Conflict(format!("there are {MAX_RECEIVERS} receivers, and there can be no more")));
        }
        let key = receiver::create(&mut tx, &fields).await?;
        self.record_receiver(&mut tx, "create", &fields.slug, None, Some(recorded(&fields))).await?;
        let made = receiver::with_keys(&mut tx, &[key]).await?.pop().ok_or_else(|| lost("receiver"))?;
        let made = shown(&mut tx, made).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Changes a receiver that was read at a version.
    pub async fn update_receiver(&self, slug: &str, version: i32, draft: &Draft) -> Result<Shown> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, slug).await?;
        let before = fields_of(&found);
        let fields = self.receiver_fields(&mut tx, draft, Some(&found)).await?;
        receiver::update(&mut tx, &Receiver { version, ..found.clone() }, &fields).await?;
        self.record_receiver(&mut tx, "update", slug, Some(recorded(&before)), Some(recorded(&fields))).await?;
        let changed = receiver::with_keys(&mut tx, &[found.id]).await?.pop().ok_or_else(|| lost("receiver"))?;
        let changed = shown(&mut tx, changed).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Switches a receiver that was read at a version on or off, whatever else may be amiss with it.
    pub async fn switch_receiver(&self, slug: &str, version: i32, enabled: bool) -> Result<()> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, slug).await?;
        let before = fields_of(&found);
        let after = Fields { enabled, ..before.clone() };
        receiver::update(&mut tx, &Receiver { version, ..found }, &after).await?;
        self.record_receiver(&mut tx, "update", slug, Some(recorded(&before)), Some(recorded(&after))).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How telling each receiver goes, by the store's key; one that has everything is left out.
    pub async fn receivers_told(&self) -> Result<HashMap<i32, Counts>> {
        self.require(Action::Administer)?;
        let counts = notification::counts_by_receiver(&mut *self.db.pages.acquire().await?).await?;
        Ok(counts.into_iter().collect())
    }

    /// Removes a receiver. One that messages wait for is switched off first: then they are dropped, each with that reason.
    pub async fn delete_receiver(&self, slug: &str) -> Result<()> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, slug).await?;
        if !receiver::delete(&mut tx, found.id).await? {
            let text = format!(
                "messages to {slug} wait to be sent; switch it off, which drops them and says so, or wait until they are sent"
            );
            return Err(AppError::Conflict(text));
        }
        self.record_receiver(&mut tx, "delete", slug, Some(recorded(&fields_of(&found))), None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sends a receiver something to try it. Returns the messages, which wait like all others.
    pub async fn test_receiver(&self, slug: &str) -> Result<Vec<Notification>> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, slug).await?;
        let (nonce, now) = (clock::nonce(), headroom_store::now(&mut tx).await?);
        // An incident that a test opens is closed again.
        let messages: &[Message] =
            if found.kind == Kind::PagerDuty { &[Message::Firing, Message::Resolved] } else { &[Message::Firing] };
        let rows = messages.iter().map(|message| New {
            alert: None,
            receiver: found.id,
            message: TEST,
            key: sha256_hex(&format!("{TEST}|{nonce}|{message}")),
            dedup: format!("{TEST}|{nonce}"),
            lane: Lane::Ticket.as_str(),
            body: self.test_notice(*message, &nonce, now),
            due_ms: None,
        });
        notification::enqueue(&mut tx, &rows.collect::<Vec<_>>()).await?;
        self.record_receiver(&mut tx, "test", slug, None, None).await?;
        let wanted = Wanted { receiver: Some(slug), limit: messages.len() as i64, ..Wanted::default() };
        let made = notification::list(&mut tx, &wanted).await?;
        tx.commit().await?;
        Ok(made)
    }

    fn test_notice(&self, message: Message, nonce: &str, now: Millis) -> Value {
        let is_over = message == Message::Resolved;
        let external_url = self.outward.address_of("/");
        let notice = Notice {
            message,
            alert: 0,
            rule: format!("test-{}", &nonce[..8]),
            alertname: "HeadroomTest".into(),
            title: "Test of a receiver".into(),
            pool: WHOLE.into(),
            pool_name: String::new(),
            tenant: WHOLE.into(),
            severity: Lane::Ticket,
            critical: false,
            tier: String::new(),
            episode: 1,
            version: 1,
            condition: if is_over { Condition::Resolved } else { Condition::Firing },
            workflow: if is_over { Workflow::Closed } else { Workflow::Open },
            reopened: 0,
            summary: "Headroom reaches this receiver; nothing is to be done".into(),
            details: String::new(),
            runbook_url: String::new(),
            url: external_url.clone(),
            external_url,
            owner: String::new(),
            fired_ms: now,
            resolved_ms: is_over.then_some(now),
            at_ms: now,
            burn_long: None,
            burn_short: None,
            inhibited: Vec::new(),
            actor: self.caller.actor.name.clone(),
            note: String::new(),
            asked: Vec::new(),
        };
        json!(notice)
    }

    async fn record_receiver(
        &self,
        conn: &mut PgConnection,
        action: &str,
        slug: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<()> {
        let actor = &self.caller.actor;
        let entry = Entry { actor, action, object: "receiver", key: slug, id: None, before, after, reason: "" };
        audit::record(conn, &entry).await?;
        Ok(())
    }

    /// Messages to receivers, the newest first, and how the telling goes.
    pub async fn notifications(&self, wanted: &Wanted<'_>) -> Result<Told> {
        self.require(Action::Debug)?;
        self.require_no_limits(Action::Debug)?;
        if let Some(slug) = wanted.receiver
            && let Err(error) = Slug::parse(slug)
        {
            return Err(AppError::invalid("receiver", slug, error.to_string()));
        }
        let mut conn = self.db.pages.acquire().await?;
        let counts = notification::counts(&mut conn).await?;
        Ok(Told { counts, notifications: notification::list(&mut conn, wanted).await? })
    }

    /// Sends a message again that was given up, under its key.
    pub async fn replay_notification(&self, id: i64) -> Result<Notification> {
        self.require(Action::Operate)?;
        self.require_no_limits(Action::Operate)?;
        let missing = || AppError::NotFound { what: "notification", slug: id.to_string(), suggestion: None };
        let mut tx = self.db.pages.begin().await?;
        let found = notification::by_id(&mut tx, id).await?.ok_or_else(missing)?;
        if !notification::replay(&mut tx, id).await? {
            let text = format!("message {id} is {}, and only one that is dead is sent again", found.state);
            return Err(AppError::Conflict(text));
        }
        let entry = Entry {
            actor: &self.caller.actor,
            action: "replay",
            object: "notification",
            key: &id.to_string(),
            id: None,
            before: None,
            after: Some(json!({ "receiver": found.receiver, "message": found.message, "alert": found.alert })),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        let again = notification::by_id(&mut tx, id).await?.ok_or_else(missing)?;
        tx.commit().await?;
        Ok(again)
    }
}

async fn find(conn: &mut PgConnection, slug: &str) -> Result<Receiver> {
    // What can be no name is not asked for.
    if Slug::parse(slug).is_ok()
        && let Some(found) = receiver::by_slug(conn, slug).await?
    {
        return Ok(found);
    }
    let all = receiver::list(conn).await?;
    let suggestion = nearest(slug, all.iter().map(|one| one.slug.as_str())).map(str::to_owned);
    Err(AppError::NotFound { what: "receiver", slug: slug.to_owned(), suggestion })
}

async fn shown(conn: &mut PgConnection, mut receiver: Receiver) -> Result<Shown> {
    let (open, secrets) = settings::shown(receiver.kind, &receiver.settings);
    receiver.settings = open;
    let account = match receiver.account {
        Some(key) => account::by_key(conn, key).await?.map(|account| account.id),
        None => None,
    };
    Ok(Shown { receiver, secrets, account })
}
