//! `/rules`: the list, and the form of a rule, which checks it and tries it on history before it is saved.

use super::answer::{done, failure, page};
use super::form::{Posted, error_of};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::alerts::backtest::{NOISY, Tried};
use crate::app::alerts::rules::{Listed, Wish, in_words, read_window, window};
use crate::app::{App, AppError, Problem, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::MINUTE_MS;
use headroom_domain::access::Action;
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::lanes::Timing;
use headroom_domain::alert::rule::{Rule, Subject};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::watch::Watch;
use headroom_domain::alert::window::{Conjunct, Lane, Tier};
use headroom_frontend::model::{
    Field, FilterSet, LimitForm, Named, RuleModel, RuleRow, RulesModel, TierForm, TriedModel, TriedRow, WindowForm,
};
use headroom_frontend::{pages, routes::RailEntry};
use serde_json::Value;

/// Windows of a tier: long, short, now.
const PLACES: usize = 3;
/// Tiers that a form has at most.
const MOST_TIERS: usize = 9;

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::OnCall), honoured: FilterSet::NONE, default_from: "now-45d", view: &[] }
}

/// GET `/rules`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let all = app.rules().await?;
        let (shell, _) = shell(&app, &visit, spec("Rules")).await?;
        let row = |listed: &Listed| {
            let rule = &listed.rule;
            RuleRow {
                slug: rule.slug.clone(),
                name: rule.name.clone(),
                query: in_words(&rule.rule),
                mode: rule.mode.clone(),
                owner: rule.owner.clone(),
                runbook: rule.runbook.clone(),
                pools: rule.rule.pools.clone(),
                built_in: rule.built_in,
                firing: listed.firing as i64,
            }
        };
        let of = |lane: Lane| all.iter().filter(|listed| listed.lane() == lane).map(row).collect();
        let model = RulesModel {
            pages: of(Lane::Page),
            tickets: of(Lane::Ticket),
            writes: app.caller().may(Action::SetAlerts),
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::rules(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What a rule watches that has no windows, and its limits as they are typed.
#[derive(Debug, Clone)]
struct Limits {
    watch: Watch,
    texts: Vec<(String, String)>,
}

/// One tier as it is typed: name, lane, and of each window its length, factor and least bad.
#[derive(Debug, Clone, Default, PartialEq)]
struct TypedTier {
    name: String,
    lane: String,
    windows: [[String; 3]; PLACES],
}

impl TypedTier {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.windows.iter().flatten().all(String::is_empty)
    }

    fn of(tier: &Tier) -> Self {
        let mut typed =
            Self { name: tier.name.clone(), lane: tier.lane.as_str().to_owned(), windows: Default::default() };
        for (text, part) in typed.windows.iter_mut().zip(&tier.all) {
            *text = [window(part.window_ms), part.over.to_string(), part.least_bad.to_string()];
        }
        typed
    }
}

/// A form as it is typed.
#[derive(Debug, Clone, Default)]
struct Typed {
    slug: String,
    name: String,
    mode: String,
    owner: String,
    runbook: String,
    pools: String,
    sli: String,
    tenants: bool,
    critical: String,
    tiers: Vec<TypedTier>,
    limits: Option<Limits>,
    times: [String; 3],
}

/// Fields of the times.
const TIMES: [&str; 3] = ["for", "resolve_after", "idle_after"];

impl Typed {
    fn of(wish: &Wish, slug: &str) -> Self {
        let timing = wish.rule.timing;
        let mut typed = Self {
            slug: slug.to_owned(),
            name: wish.name.clone(),
            mode: wish.mode.clone(),
            owner: wish.owner.clone(),
            runbook: wish.runbook.clone(),
            pools: wish.rule.pools.join("\n"),
            times: [timing.for_ms, timing.resolve_after_ms, timing.idle_after_ms].map(window),
            ..Self::default()
        };
        match &wish.rule.subject {
            Subject::Burn { sli, tiers, critical_over, tenants } => {
                typed.sli = sli.to_string();
                typed.tenants = *tenants;
                typed.critical = critical_over.map(|over| over.to_string()).unwrap_or_default();
                typed.tiers = tiers.iter().map(TypedTier::of).collect();
            }
            Subject::Watch { watch } => typed.limits = Some(Limits::of(watch)),
        }
        typed
    }

    /// A posted form; of a rule without windows `watch` is what it watches.
    fn read(posted: &Posted, slug: &str, watch: Option<&Watch>) -> Self {
        let text = |name: &str| posted.get(name).to_owned();
        let tiers = (0..MOST_TIERS).map_while(|at| {
            posted.has(&format!("t{at}_name")).then(|| TypedTier {
                name: text(&format!("t{at}_name")),
                lane: text(&format!("t{at}_lane")),
                windows: std::array::from_fn(|place| {
                    ["w", "k", "b"].map(|letter| text(&format!("t{at}_{letter}{place}")))
                }),
            })
        });
        let limits = watch.map(|watch| {
            let mut limits = Limits::of(watch);
            for (name, value) in &mut limits.texts {
                *value = text(&format!("p_{name}"));
            }
            limits
        });
        Self {
            slug: if slug.is_empty() { text("slug") } else { slug.to_owned() },
            name: text("name"),
            mode: text("mode"),
            owner: text("owner"),
            runbook: text("runbook"),
            pools: text("pools"),
            sli: text("sli"),
            tenants: posted.get("tenants") == "on",
            critical: text("critical"),
            tiers: if limits.is_some() { Vec::new() } else { tiers.collect() },
            limits,
            times: TIMES.map(text),
        }
    }

    /// The rule that is typed, or what cannot be read.
    fn wish(&self) -> Result<Wish, Vec<Problem>> {
        let mut problems = Vec::new();
        let length = "a length of time such as 5m, 1h or 3d";
        let mut time = |field: &str, text: &str| {
            read_window(text).unwrap_or_else(|| {
                problems.push(Problem::new(field, text, length));
                0
            })
        };
        let [for_ms, resolve_after_ms, idle_after_ms] = std::array::from_fn(|at| time(TIMES[at], &self.times[at]));
        let timing = Timing { for_ms, resolve_after_ms, idle_after_ms };
        let subject = match &self.limits {
            Some(limits) => limits.subject(&mut problems),
            None => self.burn(&mut problems),
        };
        let pools = self.pools.split([',', ' ', '\n', '\r']).map(str::trim).filter(|slug| !slug.is_empty());
        let mut named: Vec<String> = Vec::new();
        for slug in pools {
            if !named.iter().any(|known| known == slug) {
                named.push(slug.to_owned());
            }
        }
        match subject {
            Some(subject) if problems.is_empty() => Ok(Wish {
                name: self.name.clone(),
                rule: Rule { subject, timing, pools: named },
                mode: self.mode.clone(),
                owner: self.owner.clone(),
                runbook: self.runbook.clone(),
            }),
            _ => Err(problems),
        }
    }

    fn burn(&self, problems: &mut Vec<Problem>) -> Option<Subject> {
        let number = "a number such as 8 or 14.4";
        let mut tiers = Vec::new();
        for (at, typed) in self.tiers.iter().enumerate().filter(|(_, typed)| !typed.is_empty()) {
            let mut all = Vec::new();
            for (place, [length, over, least]) in typed.windows.iter().enumerate() {
                if length.is_empty() && over.is_empty() {
                    continue;
                }
                let mut wrong = |letter: &str, found: &str, expected: &str| {
                    problems.push(Problem::new(format!("t{at}_{letter}{place}"), found, expected));
                };
                let window_ms = read_window(length);
                if window_ms.is_none() {
                    wrong("w", length, "a length of time such as 5m, 1h or 3d");
                }
                let read_over = over.parse::<Fraction>().ok();
                if read_over.is_none() {
                    wrong("k", over, number);
                }
                let least_bad = if least.is_empty() { Some(0) } else { least.parse::<u64>().ok() };
                if least_bad.is_none() {
                    wrong("b", least, "a whole number, 0 or more");
                }
                if let (Some(window_ms), Some(over), Some(least_bad)) = (window_ms, read_over, least_bad) {
                    all.push(Conjunct { window_ms, over, least_bad });
                }
            }
            let lane = if typed.lane == "page" { Lane::Page } else { Lane::Ticket };
            tiers.push(Tier { name: typed.name.clone(), lane, all });
        }
        let critical_over = if self.critical.is_empty() {
            None
        } else {
            let read = self.critical.parse::<Fraction>().ok();
            if read.is_none() {
                problems.push(Problem::new("critical", &self.critical, number));
            }
            read
        };
        match self.sli.parse::<Sli>() {
            Ok(sli) => Some(Subject::Burn { sli, tiers, critical_over, tenants: self.tenants }),
            Err(expected) => {
                problems.push(Problem::new("sli", &self.sli, expected));
                None
            }
        }
    }

    /// What the use cases call what the form calls otherwise. A tier's place in the rule is not its place in the form.
    fn renamed(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let places: Vec<usize> =
            self.tiers.iter().enumerate().filter(|(_, typed)| !typed.is_empty()).map(|(at, _)| at).collect();
        let rename = |field: &str| -> String {
            match field {
                "timing.for_ms" => return "for".into(),
                "timing.resolve_after_ms" => return "resolve_after".into(),
                "timing.idle_after_ms" => return "idle_after".into(),
                "subject.critical_over" => return "critical".into(),
                "subject" | "subject.tiers" => return "subject".into(),
                _ => {}
            }
            if let Some(limit) = field.strip_prefix("subject.watch.") {
                return format!("p_{limit}");
            }
            let Some((number, rest)) = field.strip_prefix("subject.tiers[").and_then(|rest| rest.split_once("]."))
            else {
                return field.to_owned();
            };
            let at = number.parse::<usize>().ok().and_then(|number| places.get(number)).copied().unwrap_or_default();
            // Windows that are not typed leave no gap: the long one is the first that is.
            let typed = self.tiers.get(at).map(|tier| {
                let is_typed = |window: &[String; 3]| !(window[0].is_empty() && window[1].is_empty());
                tier.windows.iter().enumerate().filter(|(_, w)| is_typed(w)).map(|(place, _)| place).collect::<Vec<_>>()
            });
            match rest.strip_prefix("all[").and_then(|rest| rest.split_once("].")) {
                Some((place, of)) => {
                    let place = place.parse::<usize>().ok().and_then(|place| typed?.get(place).copied()).unwrap_or(0);
                    let letter = match of {
                        "over" => 'k',
                        "least_bad" => 'b',
                        _ => 'w',
                    };
                    format!("t{at}_{letter}{place}")
                }
                None if rest == "all" => format!("t{at}_w0"),
                None => format!("t{at}_{rest}"),
            }
        };
        problems.into_iter().map(|problem| Problem { field: rename(&problem.field), ..problem }).collect()
    }

    fn model(&self, problems: &[Problem]) -> RuleModel {
        let field = |name: &str, text: &String| Field { value: text.clone(), error: error_of(name, problems) };
        let mut tiers: Vec<TierForm> = self
            .tiers
            .iter()
            .enumerate()
            .map(|(at, typed)| TierForm {
                name: field(&format!("t{at}_name"), &typed.name),
                lane: field(&format!("t{at}_lane"), &typed.lane),
                windows: typed
                    .windows
                    .iter()
                    .enumerate()
                    .map(|(place, [length, over, least])| WindowForm {
                        window: field(&format!("t{at}_w{place}"), length),
                        over: field(&format!("t{at}_k{place}"), over),
                        least: field(&format!("t{at}_b{place}"), least),
                    })
                    .collect(),
            })
            .collect();
        let has_room = self.tiers.last().is_none_or(|tier| !tier.is_empty()) && self.tiers.len() < MOST_TIERS - 1;
        if self.limits.is_none() && has_room {
            let windows = vec![WindowForm::default(); PLACES];
            tiers.push(TierForm { lane: Field::of("ticket"), windows, ..TierForm::default() });
        }
        let is_elsewhere = |field: &str| matches!(field, "subject" | "version");
        let sentences: Vec<String> =
            problems.iter().filter(|problem| is_elsewhere(&problem.field)).map(Problem::to_string).collect();
        RuleModel {
            slug: field("slug", &self.slug),
            name: field("name", &self.name),
            mode: field("mode", &self.mode),
            owner: field("owner", &self.owner),
            runbook: field("runbook", &self.runbook),
            pools: field("pools", &self.pools),
            sli: self.limits.is_none().then(|| {
                let all = Sli::ALL.iter().map(|sli| (sli.to_string(), sli.label().to_owned())).collect();
                (field("sli", &self.sli), all)
            }),
            tenants: self.tenants,
            critical: field("critical", &self.critical),
            tiers,
            limits: self.limits.as_ref().map(|limits| limits.model(problems)).unwrap_or_default(),
            for_ms: field(TIMES[0], &self.times[0]),
            resolve_after: field(TIMES[1], &self.times[1]),
            idle_after: field(TIMES[2], &self.times[2]),
            error: (!sentences.is_empty()).then(|| sentences.join(". ")),
            ..RuleModel::default()
        }
    }
}

impl Limits {
    fn of(watch: &Watch) -> Self {
        let value = serde_json::to_value(watch).unwrap_or_default();
        let texts = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "on").map(|(name, value)| {
            let text = match value {
                Value::Number(number) if name.ends_with("_ms") => number.as_i64().map(window).unwrap_or_default(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), text)
        });
        Self { watch: *watch, texts: texts.collect() }
    }

    fn subject(&self, problems: &mut Vec<Problem>) -> Option<Subject> {
        let mut value = serde_json::to_value(self.watch).unwrap_or_default();
        for (name, text) in &self.texts {
            let place = &mut value[name.as_str()];
            let (read, expected) = match place {
                Value::Number(_) if name.ends_with("_ms") => {
                    (read_window(text).map(Value::from), "a length of time such as 30s, 5m or 1h")
                }
                Value::Number(_) => (text.parse::<u64>().ok().map(Value::from), "a whole number, 0 or more"),
                _ => (
                    text.parse::<Fraction>().ok().map(|fraction| Value::from(fraction.to_string())),
                    "a number such as 8, 0.05 or 1/20",
                ),
            };
            match read {
                Some(read) => *place = read,
                None => problems.push(Problem::new(format!("p_{name}"), text, expected)),
            }
        }
        serde_json::from_value(value).ok().map(|watch| Subject::Watch { watch })
    }

    fn model(&self, problems: &[Problem]) -> Vec<LimitForm> {
        let form = |(name, text): &(String, String)| {
            let (label, help) = match name.as_str() {
                "least_rejected" => ("Rejected claims", "So many in 2 minutes at least."),
                "least" => ("At least", "Fewer say nothing."),
                "after_ms" => ("After", "A length of time such as 5m."),
                "over_ms" => ("More than", "A length of time such as 30s."),
                "slices" => ("Minutes behind", "More than so many."),
                "times" => ("Times the usual", "Such as 8."),
                _ => ("More than", "A part, such as 0.05 or 1/20."),
            };
            LimitForm {
                name: name.clone(),
                label: label.into(),
                help: help.into(),
                field: Field { value: text.clone(), error: error_of(&format!("p_{name}"), problems) },
            }
        };
        self.texts.iter().map(form).collect()
    }
}

/// What the page shows besides what is typed.
struct Around<'a> {
    listed: Option<&'a Listed>,
    version: String,
    checked: Option<String>,
    tried: Option<Tried>,
    error: Option<String>,
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    typed: &Typed,
    problems: &[Problem],
    around: Around<'_>,
) -> Response {
    let outcome = async {
        let title = around.listed.map_or("New rule", |listed| listed.rule.name.as_str());
        let (shell, _) = shell(app, visit, spec(title)).await?;
        let writes = app.caller().may(Action::SetAlerts);
        let (mut known_owners, mut runbooks) = (Vec::new(), Vec::new());
        if writes {
            // Owners of pools are offered to those who may see them all; the others type or choose one of the rules' own.
            if app.caller().may(Action::Plan) {
                known_owners = app.known_owners_and_regions().await?.0;
            }
            known_owners.extend(app.rules().await?.into_iter().map(|listed| listed.rule.owner));
            known_owners.retain(|owner| !owner.is_empty());
            known_owners.sort();
            known_owners.dedup();
            runbooks = app.runbooks().await?.into_iter().map(|one| format!("/runbooks/{}", one.runbook.slug)).collect();
        }
        let model = typed.model(problems);
        let model = RuleModel {
            subject: around
                .listed
                .map(|listed| Named { slug: listed.rule.slug.clone(), name: listed.rule.name.clone() }),
            version: around.version,
            query: typed.wish().map(|wish| in_words(&wish.rule)).unwrap_or_default(),
            built_in: around.listed.is_some_and(|listed| listed.rule.built_in),
            firing: around.listed.map_or(0, |listed| listed.firing as i64),
            writes,
            error: around.error.or(model.error.clone()),
            checked: around.checked,
            tried: around.tried.map(shown),
            known_owners,
            runbooks,
            ..model
        };
        Ok::<_, AppError>(page(&shell, status, || pages::rule(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

fn shown(tried: Tried) -> TriedModel {
    let rows = tried.tried.iter().filter(|pool| pool.fires > 0).map(|pool| TriedRow {
        pool: Named { slug: pool.pool.clone(), name: pool.name.clone() },
        fires: pool.fires as i64,
        pages: pool.pages as i64,
        firing_ms: pool.minutes as i64 * MINUTE_MS,
        share: pool.share(),
        noisy: pool.share() > NOISY,
        first_ms: pool.first,
        last_ms: pool.last,
    });
    TriedModel {
        rows: rows.collect(),
        span: tried.span,
        pools: tried.pools as i64,
        looked_at: tried.tried.len() as i64,
        fires: tried.fires() as i64,
        pages: tried.pages() as i64,
    }
}

/// GET `/rules/{rule}` and `/rules/{rule}/edit`.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match app.rule(&slug).await {
        Ok(listed) => {
            let typed = Typed::of(&Wish::of(&listed.rule), &slug);
            let version = listed.rule.version.to_string();
            let around = Around { listed: Some(&listed), version, checked: None, tried: None, error: None };
            show(&app, &visit, StatusCode::OK, &typed, &[], around).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/rules/new`: the usual windows to begin with, tried before it is live.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let subject = Subject::Burn {
        sli: Sli::Saturation,
        tiers: Tier::defaults(),
        critical_over: Some(Fraction::of(72, 5)),
        tenants: false,
    };
    let wish = Wish {
        name: String::new(),
        rule: Rule { subject, timing: Timing::default(), pools: Vec::new() },
        mode: "dry-run".into(),
        owner: String::new(),
        runbook: String::new(),
    };
    let around = Around { listed: None, version: "0".into(), checked: None, tried: None, error: None };
    show(&app, &visit, StatusCode::OK, &Typed::of(&wish, ""), &[], around).await
}

/// POST `/rules/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    act(&app, &visit, &posted, None).await
}

/// POST `/rules/{rule}/edit`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    match app.rule(&slug).await {
        Ok(listed) => act(&app, &visit, &posted, Some(&listed)).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// Checks, tries or saves what is typed.
async fn act(app: &App, visit: &Visit, posted: &Posted, listed: Option<&Listed>) -> Response {
    let watch = listed.and_then(|listed| match &listed.rule.rule.subject {
        Subject::Watch { watch } => Some(watch),
        Subject::Burn { .. } => None,
    });
    let slug = listed.map(|listed| listed.rule.slug.as_str());
    let typed = Typed::read(posted, slug.unwrap_or_default(), watch);
    let around =
        |checked, tried, error| Around { listed, version: posted.get("version").to_owned(), checked, tried, error };
    let wish = match typed.wish() {
        Ok(wish) => wish,
        Err(problems) => {
            return show(app, visit, StatusCode::UNPROCESSABLE_ENTITY, &typed, &problems, around(None, None, None))
                .await;
        }
    };
    let refused = |error: AppError| {
        let (status, problems, sentence) = split(error);
        (status, typed.renamed(problems), sentence)
    };
    match posted.get("do") {
        "check" => match app.check_rule(slug, &wish).await {
            Ok(problems) if problems.is_empty() => {
                let text = "Nothing is wrong with this rule. It was not saved.".to_owned();
                show(app, visit, StatusCode::OK, &typed, &[], around(Some(text), None, None)).await
            }
            Ok(problems) => {
                let problems = typed.renamed(problems);
                show(app, visit, StatusCode::UNPROCESSABLE_ENTITY, &typed, &problems, around(None, None, None)).await
            }
            Err(error) => failure(app, visit, error).await,
        },
        "try" => match app.try_rule(&wish.rule).await {
            Ok(tried) => show(app, visit, StatusCode::OK, &typed, &[], around(None, Some(tried), None)).await,
            Err(error @ AppError::Invalid(_)) => {
                let (status, problems, sentence) = refused(error);
                show(app, visit, status, &typed, &problems, around(None, None, sentence)).await
            }
            Err(error) => failure(app, visit, error).await,
        },
        _ => {
            let mut problems = Vec::new();
            let outcome = match slug {
                Some(slug) => {
                    let seen = version(posted, &mut problems);
                    if problems.is_empty() {
                        app.update_rule(slug, Some(seen), &wish).await
                    } else {
                        Err(AppError::Invalid(problems))
                    }
                }
                None => app.create_rule(&typed.slug, &wish).await,
            };
            match outcome {
                Ok(saved) => {
                    let told = format!("Rule “{}” was saved.", saved.rule.name);
                    done(&format!("/rules/{}", saved.rule.slug), &told)
                }
                Err(error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::Stale { .. })) => {
                    let (status, problems, sentence) = refused(error);
                    show(app, visit, status, &typed, &problems, around(None, None, sentence)).await
                }
                Err(error) => failure(app, visit, error).await,
            }
        }
    }
}

/// POST `/rules/{rule}/delete`.
pub(crate) async fn delete(app: App, InPath(slug): InPath, visit: Visit, _: Posted) -> Response {
    match app.delete_rule(&slug).await {
        Ok(rule) => done("/rules", &format!("Rule “{}” was deleted.", rule.name)),
        Err(error) => failure(&app, &visit, error).await,
    }
}
