//! What is known to come: events that change the demand of a pool, and how.

#[cfg(feature = "recurrence")]
pub mod recur;

use crate::format::count;
use crate::plan::Fault;
use crate::range::rfc3339;
use crate::slug::{Slug, check_name};
use crate::{DAY_MS, EARLIEST_MS, LATEST_MS, MAX_SLOTS, Millis};
use serde::{Deserialize, Serialize};

/// What an event does to demand while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// At least so many slots are wanted.
    Floor {
        /// Slots.
        slots: u32,
    },
    /// Demand is what it would have been, times this.
    Factor {
        /// In hundredths: 150 is half as much again.
        percent: u32,
    },
    /// Demand is that of another day of the week.
    LikeWeekday {
        /// 1 is Monday, 7 is Sunday.
        weekday: u8,
    },
    /// Nothing is foreseen for it and nothing is learnt from it.
    Exclude,
    /// Nobody said: the factor is learnt from earlier events of the same tag.
    Learn,
}

/// An event of the calendar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// First instant, in milliseconds since 1970 UTC.
    pub start_ms: Millis,
    /// First instant after it.
    pub end_ms: Millis,
    /// What kind of event it is: those of one tag are alike. Lower case, `a` to `z`, `0` to `9` and hyphens.
    pub tag: String,
    /// What it does to demand.
    #[serde(flatten)]
    pub effect: Effect,
}

/// Longest event: a leap year.
pub const LONGEST_MS: Millis = 366 * DAY_MS;
/// Highest factor: a hundred times what it would have been.
pub const MAX_PERCENT: u32 = 10_000;
/// The words of effects, as the API and files have them.
pub const EFFECTS: [&str; 5] = ["floor", "factor", "like_weekday", "exclude", "learn"];
/// Days of the week by their number less one.
pub const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Effect {
    /// Its word in the API and in the database.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Floor { .. } => "floor",
            Self::Factor { .. } => "factor",
            Self::LikeWeekday { .. } => "like_weekday",
            Self::Exclude => "exclude",
            Self::Learn => "learn",
        }
    }

    /// What it does, in words.
    pub fn says(&self) -> String {
        match self {
            Self::Floor { slots } => format!("at least {} slots", count(i64::from(*slots))),
            Self::Factor { percent } => format!("{percent} % of the usual demand"),
            Self::LikeWeekday { weekday } => {
                let day = usize::from(*weekday).checked_sub(1).and_then(|day| WEEKDAYS.get(day)).unwrap_or(&"?");
                format!("demand as on a {day}")
            }
            Self::Exclude => "left out: nothing is foreseen for it or learnt from it".to_owned(),
            Self::Learn => "learnt from earlier events of its tag".to_owned(),
        }
    }

    /// Whether both cannot hold at the same time of the same pool.
    ///
    /// A floor goes with everything, because the larger number is planned. Two that are learnt go together. Of everything else
    /// there can be one: demand cannot be like a Sunday's and half as much again as usual.
    pub fn contradicts(&self, other: &Self) -> bool {
        let is_floor = |effect: &Self| matches!(effect, Self::Floor { .. });
        self != other && !is_floor(self) && !is_floor(other)
    }
}

/// An event as somebody writes it, before it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// First instant, in milliseconds since 1970 UTC.
    pub start_ms: Millis,
    /// First instant after it.
    pub end_ms: Millis,
    /// What kind of event it is.
    pub tag: String,
    /// What people call it.
    pub title: String,
    /// A word of [`EFFECTS`].
    pub effect: String,
    /// With `floor`: slots.
    pub slots: Option<i64>,
    /// With `factor`: in hundredths.
    pub percent: Option<i64>,
    /// With `like_weekday`: 1 is Monday, 7 is Sunday.
    pub weekday: Option<i64>,
}

impl Draft {
    /// The event that was written.
    ///
    /// # Errors
    /// Every field that is wrong: what was found, and what was expected.
    pub fn check(&self) -> Result<Event, Vec<Fault>> {
        let mut faults = Vec::new();
        let known = EARLIEST_MS..LATEST_MS;
        for (field, at) in [("start", self.start_ms), ("end", self.end_ms)] {
            if !known.contains(&at) {
                faults.push(Fault::new(field, at, "a time from 1970 to 2199"));
            }
        }
        if faults.is_empty() {
            if self.end_ms <= self.start_ms {
                faults.push(Fault::new(
                    "end",
                    rfc3339(self.end_ms),
                    format!("a time after the start {}", rfc3339(self.start_ms)),
                ));
            } else if self.end_ms - self.start_ms > LONGEST_MS {
                let latest = rfc3339(self.start_ms + LONGEST_MS);
                faults.push(Fault::new(
                    "end",
                    rfc3339(self.end_ms),
                    format!("at most a year after the start, {latest}"),
                ));
            }
        }
        if let Err(error) = Slug::parse(&self.tag) {
            let expected = format!("1 to 63 of a-z, 0-9 and hyphens inside, such as black-friday ({error})");
            faults.push(Fault::new("tag", &self.tag, expected));
        }
        if check_name(&self.title).is_err() {
            faults.push(Fault::new("title", &self.title, "1 to 120 characters without line breaks"));
        }
        let effect = self.effect(&mut faults);
        match effect {
            Some(effect) if faults.is_empty() => {
                Ok(Event { start_ms: self.start_ms, end_ms: self.end_ms, tag: self.tag.clone(), effect })
            }
            _ => Err(faults),
        }
    }

    fn effect(&self, faults: &mut Vec<Fault>) -> Option<Effect> {
        let own = match self.effect.as_str() {
            "floor" => Some("slots"),
            "factor" => Some("percent"),
            "like_weekday" => Some("weekday"),
            "exclude" | "learn" => None,
            other => {
                faults.push(Fault::new("effect", other, format!("one of {}", EFFECTS.join(", "))));
                return None;
            }
        };
        let values = [("slots", self.slots), ("percent", self.percent), ("weekday", self.weekday)];
        for (field, value) in values {
            // A number that would do nothing is most likely meant for another effect.
            if let Some(value) = value.filter(|_| own != Some(field)) {
                faults.push(Fault::new(field, value, format!("nothing with the effect {}", self.effect)));
            }
        }
        let mut within = |field: &'static str, value: Option<i64>, least: i64, most: i64, what: &str| {
            let good = value.filter(|value| (least..=most).contains(value));
            if good.is_none() {
                let found = value.map_or_else(String::new, |value| value.to_string());
                faults.push(Fault::new(
                    field,
                    found,
                    format!("a whole number from {} to {}{what}", count(least), count(most)),
                ));
            }
            good
        };
        match self.effect.as_str() {
            "floor" => within("slots", self.slots, 1, MAX_SLOTS, "")
                .and_then(|slots| u32::try_from(slots).ok())
                .map(|slots| Effect::Floor { slots }),
            "factor" => {
                within("percent", self.percent, 0, i64::from(MAX_PERCENT), ", where 100 is what it would have been")
                    .and_then(|percent| u32::try_from(percent).ok())
                    .map(|percent| Effect::Factor { percent })
            }
            "like_weekday" => within("weekday", self.weekday, 1, 7, ", where 1 is Monday")
                .and_then(|weekday| u8::try_from(weekday).ok())
                .map(|weekday| Effect::LikeWeekday { weekday }),
            "exclude" => Some(Effect::Exclude),
            _ => Some(Effect::Learn),
        }
    }
}

impl Event {
    /// Whether both are at some instant.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start_ms < other.end_ms && other.start_ms < self.end_ms
    }

    /// Whether both are at some instant and cannot both hold then; for events of the same pool.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.overlaps(other) && self.effect.contradicts(&other.effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;

    fn draft() -> Draft {
        Draft {
            start_ms: 1_795_824_000_000,
            end_ms: 1_795_824_000_000 + DAY_MS,
            tag: "black-friday".into(),
            title: "Black Friday".into(),
            effect: "factor".into(),
            percent: Some(180),
            ..Draft::default()
        }
    }

    #[test]
    fn an_event_is_what_was_written() {
        let event = draft().check().unwrap();
        assert_eq!(event.effect, Effect::Factor { percent: 180 });
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["effect"], "factor");
        assert_eq!(json["percent"], 180);
        for (word, slots, percent, weekday) in [
            ("floor", Some(400), None, None),
            ("like_weekday", None, None, Some(7)),
            ("exclude", None, None, None),
            ("learn", None, None, None),
        ] {
            let event = Draft { effect: word.into(), slots, percent, weekday, ..draft() }.check().unwrap();
            assert_eq!(event.effect.word(), word);
            assert!(EFFECTS.contains(&word) && !event.effect.says().is_empty());
        }
    }

    #[test]
    fn each_wrong_field_is_named_with_what_was_expected() {
        let start = draft().start_ms;
        let cases: Vec<(&str, Draft)> = vec![
            ("end", Draft { end_ms: start, ..draft() }),
            ("end", Draft { end_ms: start - 1, ..draft() }),
            ("end", Draft { end_ms: start + LONGEST_MS + 1, ..draft() }),
            ("start", Draft { start_ms: -1, ..draft() }),
            ("end", Draft { end_ms: i64::MAX, ..draft() }),
            ("start", Draft { start_ms: i64::MIN, ..draft() }),
            ("tag", Draft { tag: String::new(), ..draft() }),
            ("tag", Draft { tag: "Black Friday".into(), ..draft() }),
            ("tag", Draft { tag: "-".into(), ..draft() }),
            ("tag", Draft { tag: "x".repeat(64), ..draft() }),
            ("title", Draft { title: String::new(), ..draft() }),
            ("title", Draft { title: "a\nb".into(), ..draft() }),
            ("title", Draft { title: "x".repeat(121), ..draft() }),
            ("effect", Draft { effect: "double".into(), ..draft() }),
            ("percent", Draft { percent: None, ..draft() }),
            ("percent", Draft { percent: Some(-1), ..draft() }),
            ("percent", Draft { percent: Some(10_001), ..draft() }),
            ("slots", Draft { slots: Some(5), ..draft() }),
            ("slots", Draft { effect: "floor".into(), percent: None, slots: Some(0), ..draft() }),
            ("slots", Draft { effect: "floor".into(), percent: None, slots: Some(MAX_SLOTS + 1), ..draft() }),
            ("weekday", Draft { effect: "like_weekday".into(), percent: None, weekday: Some(8), ..draft() }),
            ("weekday", Draft { effect: "like_weekday".into(), percent: None, weekday: Some(0), ..draft() }),
            ("percent", Draft { effect: "learn".into(), ..draft() }),
        ];
        for (field, draft) in cases {
            let faults = draft.check().unwrap_err();
            assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), [field], "{draft:?}: {faults:?}");
            assert!(!faults[0].expected.is_empty());
        }
        let all = Draft { end_ms: 0, tag: "?".into(), title: String::new(), effect: "x".into(), ..draft() }
            .check()
            .unwrap_err();
        assert_eq!(all.iter().map(|fault| fault.field).collect::<Vec<_>>(), ["end", "tag", "title", "effect"]);
        assert!(Draft { end_ms: start + LONGEST_MS, ..draft() }.check().is_ok(), "a leap year is no too long event");
    }

    #[test]
    fn what_cannot_both_hold_contradicts() {
        let event = |from: i64, to: i64, effect: Effect| Event {
            start_ms: from * HOUR_MS,
            end_ms: to * HOUR_MS,
            tag: "t".into(),
            effect,
        };
        let (half, sunday) = (Effect::Factor { percent: 50 }, Effect::LikeWeekday { weekday: 7 });
        let floor = Effect::Floor { slots: 9 };
        assert!(event(0, 4, half).contradicts(&event(3, 5, sunday)));
        assert!(!event(0, 3, half).contradicts(&event(3, 5, sunday)), "one begins where the other ends");
        assert!(!event(0, 4, half).contradicts(&event(0, 4, half)), "both say the same");
        assert!(event(0, 4, half).contradicts(&event(0, 4, Effect::Factor { percent: 51 })));
        assert!(event(0, 4, Effect::Exclude).contradicts(&event(0, 4, Effect::Learn)));
        assert!(!event(0, 4, Effect::Learn).contradicts(&event(0, 4, Effect::Learn)));
        for other in [half, sunday, Effect::Exclude, Effect::Learn, Effect::Floor { slots: 10 }] {
            assert!(
                !event(0, 4, floor).contradicts(&event(0, 4, other))
                    && !event(0, 4, other).contradicts(&event(0, 4, floor))
            );
        }
    }
}
