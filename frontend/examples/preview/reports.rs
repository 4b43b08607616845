//! A report and the archive.

use headroom_domain::report::{Cell, Document, Kind, Row, Table};
use headroom_frontend::model::{KeptReport, Link, ReportModel, ReportRow, ReportsModel};

const HOUR_MS: i64 = 3_600_000;

/// A month that runs.
pub(crate) fn waste() -> ReportModel {
    let mut table = Table::new(
        "waste",
        "What was promised and not used",
        "Slot-hours of the period.",
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("reserved_slot_ms", "Reserved"),
            ("waste", "Waste"),
            ("idle_minor", "Money"),
            ("spend_minor", "Spend"),
            ("promised_slots", "Slots"),
            ("right_size_slots", "Lower to"),
            ("saves_minor", "Saves"),
            ("advice", "Advice"),
        ],
    );
    table.has_total = true;
    for (tenant, slots, idle, to, saves, advice) in [
        ("reports", 400, 236, Some(280), 288_000, "lower to 280"),
        ("ml-batch", 900, 405, None, 0, "keep (peaks 97\u{202f}%)"),
    ] {
        let row = Row::of(vec![
            Cell::text(tenant),
            Cell::text("batch-us"),
            Cell::SlotTime(slots * 480 * HOUR_MS),
            Cell::Ratio(idle, slots),
            Cell::Money(Some(idle * 480 * 5)),
            Cell::Money(Some(slots * 480 * 5)),
            Cell::Level(Some(slots)),
            Cell::Level(to),
            Cell::Money(Some(saves)),
            Cell::text(advice),
        ]);
        table.rows.push(Row {
            why: "In 1,080 known hours of the last 45 days the hourly peak was at most 252 slots in 99 of 100 hours."
                .into(),
            ..row.of_tenant(1, tenant).of_pool(1, "batch-us")
        });
    }
    let document = Document {
        kind: Kind::Waste,
        period: "2026-11".into(),
        title: "Reservation waste, November 2026".into(),
        zone: "Europe/Berlin".into(),
        from_ms: 1_793_487_600_000,
        to_ms: 1_793_487_600_000 + 480 * HOUR_MS,
        currency: Some("EUR".into()),
        facts: vec![("Known of these hours".into(), Cell::Ratio(479, 480))],
        tables: vec![table],
        notes: vec!["Idle is what was promised to a tenant and not held by it.".into()],
    };
    ReportModel {
        document,
        path: "/waste/2026-11".into(),
        kept: None,
        closes_ms: Some(1_796_274_000_000),
        is_whole: true,
        before: Some(Link { label: "◂ October 2026".into(), href: "/waste/2026-10".into() }),
        after: None,
        may_plan: true,
        is_recent: true,
        closes_by_itself: false,
        note_error: None,
    }
}

/// What was closed.
pub(crate) fn archive() -> ReportsModel {
    let row = |version, note: &str, total_minor| ReportRow {
        title: "Reservation waste, September 2026".into(),
        kind: "Reservation waste".into(),
        path: "/waste/2026-09".into(),
        kept: KeptReport {
            version,
            closed_ms: 1_791_003_600_000 + i64::from(version) * HOUR_MS,
            checksum: "9c1e7d0b52f3".repeat(5) + "9c1e",
            note: note.into(),
        },
        total_minor: Some(total_minor),
        currency: "EUR".into(),
    };
    ReportsModel {
        rows: vec![row(2, "corrected rate", 3_190_200), row(1, "", 3_348_000)],
        current: vec![Link { label: "Reservation waste, November 2026".into(), href: "/waste/2026-11".into() }],
    }
}
