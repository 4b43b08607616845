//! Letters about plans: to the people of tenants whose reservations change or end, and between those who plan when something waits
//! for somebody. Each is written in the transaction of what it tells of, and only where there is mail.
//!
//! Whoever sees some tenants only is told of those only: a reservation that goes to another tenant is told as taken back.

use super::super::{App, Result};
use crate::zones;
use headroom_domain::format;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::{Change, Field, Verb, differing};
use headroom_domain::plan::terms::Terms;
use headroom_store::draft::Draft;
use headroom_store::letter::{self, New, Reader};
use headroom_store::plan::Publication;
use headroom_store::pool::{self, Pool};
use headroom_store::reservation::Stored;
use headroom_store::tenant;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use uuid::Uuid;

/// Changes that a letter lists.
const MOST_LISTED: usize = 40;
/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 180;
/// Longest value of a field, in characters; the page has it whole.
const LONGEST_VALUE: usize = 200;
/// Longest list of changes, in characters: with what stands around it a letter stays within what the store takes.
const LONGEST_LIST: usize = 15_000;

/// Who is told of a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether the server sends mail at all.
    pub has_mail: bool,
    /// Their names, each with the tenants that it is told of.
    pub people: Vec<(String, Vec<String>)>,
}

/// The part of a change that concerns tenants: `None` = it does not.
fn seen_by(change: &Change, tenants: &BTreeSet<&str>) -> Option<Change> {
    let of = |terms: &Option<Terms>| terms.clone().filter(|terms| tenants.contains(terms.tenant.as_str()));
    let seen = Change { before: of(&change.before), after: of(&change.after) };
    (seen.verb() != Verb::Nothing).then_some(seen)
}

/// Tenants that changes touch.
fn touched(changes: &[(Uuid, Change)]) -> Vec<String> {
    let terms = changes.iter().flat_map(|(_, change)| [&change.before, &change.after]).flatten();
    terms.map(|terms| terms.tenant.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn times(terms: &Terms) -> String {
    let end = terms.end.as_ref().map_or_else(|| "until further notice".to_owned(), |end| format!("to {end}"));
    let repeat = terms.repeat.as_ref().map(|rule| format!(", repeating {rule}")).unwrap_or_default();
    format!("from {} {end}, {}{repeat}", terms.start, terms.zone)
}

/// A change in a few lines.
fn lines(change: &Change) -> String {
    let or_nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { cut(&text, LONGEST_VALUE) };
    let head = |terms: &Terms| {
        format!("{} of {}, {} slots {}", terms.name, terms.tenant, format::count(terms.slots), times(terms))
    };
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("new: {}\n", head(after)),
        (Some(before), None) => format!("taken back: {}\n", head(before)),
        (Some(before), Some(after)) => {
            let fields = differing(before, after).into_iter().map(|field: Field| {
                let (was, becomes) = (or_nothing(field.text(before)), or_nothing(field.text(after)));
                format!("    {}: was {was}, becomes {becomes}\n", field.as_str())
            });
            format!("changed: {} of {}\n{}", after.name, after.tenant, fields.collect::<String>())
        }
        (None, None) => String::new(),
    }
}

fn subject(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_SUBJECT).collect()
}

/// A text of at most so many characters and an ellipsis.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A list, and how much of it was left out: by number and by length.
fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    let (all, mut taken, mut length) = (items.len(), 0, 0);
    let mut list = String::new();
    for item in items.take(MOST_LISTED) {
        length += item.chars().count();
        if length > LONGEST_LIST {
            break;
        }
        taken += 1;
        list.push_str(&item);
    }
    if taken < all {
        // Writing into memory does not fail.
        let _ = writeln!(list, "and {} more", all - taken);
    }
    list
}

/// What a reader is told of a publication; nothing of it may concern it.
fn publication_letter(
    reader: &Reader,
    slugs: &BTreeSet<&str>,
    pool: &Pool,
    publication: &Publication,
    page: &str,
) -> Option<New> {
    let seen: Vec<Change> = publication.changes.iter().filter_map(|(_, change)| seen_by(change, slugs)).collect();
    let about = match &seen[..] {
        [] => return None,
        [one] => format!("reservation {} in {}", one.name(), pool.fields.name),
        many => format!("{} reservations in {}", many.len(), pool.fields.name),
    };
    let listed = listed(seen.iter().map(lines));
    // Without the reason: it may name any tenant.
    Some(New {
        account: reader.account,
        key: format!("publication {} {}", publication.id, reader.account),
        subject: subject(&format!("Changed: {about}")),
        body: format!(
            "Hello {},\n\n{} changed what is promised in {}:\n\n{listed}\n{page}\n\n{FOOT}",
            reader.name, publication.actor, pool.fields.name
        ),
    })
}

const FOOT: &str = "You get this because you see these tenants. Letters about plans can be switched off under \"Account and preferences\".\n";

impl App {
    /// Who would be told if changes were published now by the caller.
    pub(super) async fn told_of(&self, conn: &mut PgConnection, changes: &[(Uuid, Change)]) -> Result<Told> {
        let keys = tenant::keys_of(conn, &touched(changes)).await?;
        let readers = self.readers(conn, &keys).await?;
        let slug: HashMap<i32, &str> = keys.iter().map(|(key, slug)| (*key, slug.as_str())).collect();
        let named = |reader: Reader| {
            let tenants = reader.tenants.iter().filter_map(|key| slug.get(key).map(|slug| (*slug).to_owned()));
            (reader.name, tenants.collect())
        };
        Ok(Told { has_mail: self.outward.mail.is_some(), people: readers.into_iter().map(named).collect() })
    }

    /// People of tenants who are told of what the caller does.
    async fn readers(&self, conn: &mut PgConnection, tenants: &[(i32, String)]) -> Result<Vec<Reader>> {
        let keys: Vec<i32> = tenants.iter().map(|(key, _)| *key).collect();
        let own = self.caller.actor.id;
        let readers = letter::readers_of_tenants(conn, &keys).await?;
        Ok(readers.into_iter().filter(|reader| Some(reader.id) != own).collect())
    }

    /// Writes to those whom a publication concerns.
    pub(super) async fn write_of_publication(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        publication: &Publication,
    ) -> Result<()> {
        if self.outward.mail.is_none() {
            return Ok(());
        }
        let keys = tenant::keys_of(conn, &touched(&publication.changes)).await?;
        let mut letters = Vec::new();
        for reader in self.readers(conn, &keys).await? {
            let own = keys.iter().filter(|(key, _)| reader.tenants.contains(key)).map(|(_, slug)| slug.as_str());
            let own: BTreeSet<&str> = own.collect();
            let page = own.first().map(|slug| self.outward.address_of(&format!("/tenants/{slug}"))).unwrap_or_default();
            letters.extend(publication_letter(&reader, &own, pool, publication, &page));
        }
        letter::write(conn, &letters).await?;
        Ok(())
    }

    /// Writes to those who can decide that a draft waits for them.
    pub(super) async fn write_of_proposal(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        draft: &Draft,
        why: &str,
    ) -> Result<()> {
        if self.outward.mail.is_none() {
            return Ok(());
        }
        let page = self.outward.address_of(&format!("/planner/drafts/{}", draft.id));
        // What was rejected can be proposed again, at the same version.
        let at = headroom_store::now(conn).await?;
        let asks = &self.caller.actor.name;
        let others = letter::planners(conn).await?;
        let own = [self.caller.actor.id, draft.owner_id];
        let letters: Vec<New> = others
            .into_iter()
            .filter(|reader| !own.contains(&Some(reader.id)))
            .map(|reader| New {
                account: reader.account,
                key: format!("proposal {} {at} {}", draft.id, reader.account),
                subject: subject(&format!("Approval asked: {} in {}", draft.name, pool.fields.name)),
                body: format!(
                    "Hello {},\n\n{asks} asks somebody to approve the draft {:?} for {}: {}.\n\nReason: {why}\n\n{page}\n\n{PLANNER_FOOT}",
                    reader.name,
                    draft.name,
                    pool.fields.name,
                    changes_of(draft.changes.len()),
                ),
            })
            .collect();
        letter::write(conn, &letters).await?;
        Ok(())
    }

    /// Writes to whoever began a draft what was decided of it.
    pub(super) async fn write_of_decision(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        draft: &Draft,
        approves: bool,
        why: &str,
    ) -> Result<()> {
        let owner = draft.owner_id.filter(|owner| Some(*owner) != self.caller.actor.id);
        let (Some(owner), true) = (owner, self.outward.mail.is_some()) else { return Ok(()) };
        let Some(reader) = letter::reader(conn, owner).await? else { return Ok(()) };
        let word = if approves { "approved" } else { "rejected" };
        let at = headroom_store::now(conn).await?;
        let page = self.outward.address_of(&format!("/planner/drafts/{}", draft.id));
        let one = New {
            account: reader.account,
            key: format!("decision {} {at} {word}", draft.id),
            subject: subject(&format!("Draft {word}: {} in {}", draft.name, pool.fields.name)),
            body: format!(
                "Hello {},\n\n{} {word} your draft {:?} for {}.\n\nReason: {why}\n\n{page}\n\n{PLANNER_FOOT}",
                reader.name, self.caller.actor.name, draft.name, pool.fields.name
            ),
        };
        letter::write(conn, &[one]).await?;
        Ok(())
    }

    /// Writes to tenants' people and to all who plan which reservations end soon: one letter to each, whatever their number.
    pub(super) async fn write_of_ends(&self, conn: &mut PgConnection, ending: &[(Stored, i16)]) -> Result<()> {
        if ending.is_empty() || self.outward.mail.is_none() {
            return Ok(());
        }
        let tenants: Vec<i32> = ending.iter().map(|(stored, _)| stored.tenant).collect();
        let pools: Vec<i32> = ending.iter().map(|(stored, _)| stored.pool).collect();
        let pools: HashMap<i32, Pool> =
            pool::by_keys(conn, &pools).await?.into_iter().map(|pool| (pool.key, pool)).collect();
        let planners = letter::planners(conn).await?;
        let people = letter::readers_of_tenants(conn, &tenants).await?;
        let known: BTreeSet<i32> = planners.iter().map(|reader| reader.account).collect();
        let mut letters = Vec::new();
        for reader in &planners {
            letters.extend(self.end_letter(reader, ending.iter(), &pools, ("/planner", PLANNER_FOOT)));
        }
        for reader in people.iter().filter(|reader| !known.contains(&reader.account)) {
            let own = ending.iter().filter(|(stored, _)| reader.tenants.contains(&stored.tenant));
            letters.extend(self.end_letter(reader, own, &pools, ("/tenants", FOOT)));
        }
        letter::write(conn, &letters).await?;
        Ok(())
    }

    fn end_letter<'a>(
        &self,
        reader: &Reader,
        ending: impl Iterator<Item = &'a (Stored, i16)>,
        pools: &HashMap<i32, Pool>,
        (page, foot): (&str, &str),
    ) -> Option<New> {
        let mut about = blake3::Hasher::new();
        let mut listed = Vec::new();
        for (stored, days) in ending {
            let (Some(end), Some(pool)) = (stored.to_ms, pools.get(&stored.pool)) else { continue };
            about.update(format!("{} {end} {days};", stored.id).as_bytes());
            let zone = zones::slice(&stored.terms.zone, end, end).unwrap_or_else(ZoneSlice::utc);
            listed.push(format!(
                "    {} of {} in {}: {} slots, ends on {} ({}), within {days} days\n",
                stored.terms.name,
                stored.terms.tenant,
                pool.fields.name,
                format::count(stored.terms.slots),
                zone.local(end).format("%Y-%m-%d %H:%M"),
                stored.terms.zone,
            ));
        }
        let what = match listed.len() {
            0 => return None,
            1 => "A reservation ends soon".to_owned(),
            many => format!("{many} reservations end soon"),
        };
        let listed = self::listed(listed.into_iter());
        let page = self.outward.address_of(page);
        Some(New {
            account: reader.account,
            key: format!("ends {} {}", about.finalize().to_hex(), reader.account),
            subject: subject(&what),
            body: format!(
                "Hello {},\n\n{what}; nothing holds afterwards unless somebody plans it:\n\n{listed}\n{page}\n\n{foot}",
                reader.name
            ),
        })
    }
}

const PLANNER_FOOT: &str =
    "You get this because you plan. Letters about plans can be switched off under \"Account and preferences\".\n";

fn changes_of(count: usize) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_by_number_and_by_length() {
        let many = |count: usize, length: usize| listed((0..count).map(|_| format!("{}\n", "ä".repeat(length))));
        assert_eq!(many(3, 10).lines().count(), 3);
        assert!(many(50, 10).ends_with("ä\nand 10 more\n"));
        let long = many(40, 5_000);
        assert!(long.chars().count() < 16_000 && long.ends_with("and 38 more\n"), "{}", long.chars().count());
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }
}
