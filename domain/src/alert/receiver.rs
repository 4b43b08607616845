//! Where messages about alerts go.

use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What understands the messages.
    Kind {
        /// A program that understands what Alertmanager sends to its webhooks.
        AlertmanagerWebhook = "alertmanager-webhook", "Alertmanager webhook";
        /// PagerDuty, by its Events API.
        PagerDuty = "pagerduty", "PagerDuty";
        /// A channel of Slack, by an incoming webhook or a bot.
        Slack = "slack", "Slack";
        /// A program that understands our own messages.
        Webhook = "webhook", "Webhook";
        /// Somebody's mailbox.
        Email = "email", "E-mail";
        /// An Alertmanager: it is told again and again what fires.
        Alertmanager = "alertmanager", "Alertmanager";
        /// Somebody who raises the alarm when our heartbeat is missing.
        Watchdog = "watchdog", "Watchdog";
        /// A program that scales what is outside: it is told what capacity a pool is to have.
        ScalingWebhook = "scaling-webhook", "Scaling webhook";
    }
}

impl Kind {
    /// True if it is told of single changes of alerts; the others are told how things are, again and again, or of scaling.
    pub const fn takes_messages(self) -> bool {
        !matches!(self, Self::Alertmanager | Self::Watchdog | Self::ScalingWebhook)
    }
}
