//! Events of a job, as lines.

use tessera_sdk::{Draw, Event, Kind, Recorded};

use crate::views;

/// An event in a line, or as an object of JSON.
pub fn text(json: bool, recorded: &Recorded) -> String {
    let Recorded { signature, slot, event } = recorded;
    let about = match event {
        Event::LeaseClaimed(e) => format!("lease {} by {}", e.index, e.provider),
        Event::ResultCommitted(e) => format!("lease {} by {}", e.index, e.provider),
        Event::ResultRevealed(e) => format!("lease {} by {}", e.index, e.provider),
        Event::ResultOpened(e) => format!("lease {} by {}", e.index, e.provider),
        Event::LeaseSettled(e) => {
            let kind = Kind::try_from(e.kind).map_or("unknown", views::kind);
            format!("lease {} by {}, {} base units ({kind})", e.index, e.provider, e.pay)
        }
        Event::LeaseReturned(e) => format!("lease {} by {}", e.index, e.provider),
        Event::LeaseExpired(e) => format!("lease {} by {}", e.index, e.provider),
        Event::LeaseAgreed(e) => format!("lease {}", e.index),
        Event::JobSeeded(e) => format!("by the hash of slot {}", e.slot),
        Event::LeaseSeeded(e) => format!("lease {} by the hash of slot {}", e.index, e.slot),
        Event::ResultDrawn(e) => {
            let said = Draw::try_from(e.draw).map_or("unknown", views::draw);
            format!("lease {} by {}: {said}", e.index, e.provider)
        }
        Event::SeatsOpened(e) => {
            format!("lease {}: {} {} seats", e.index, e.seats, Kind::try_from(e.kind).map_or("unknown", views::kind))
        }
        Event::SeatSlashed(e) => {
            format!("lease {} by {}, {} base units awarded, {} burned", e.index, e.provider, e.awarded, e.burned)
        }
        Event::ChunkDemanded(e) => format!("lease {} by {}: chunk {}", e.index, e.provider, e.chunk),
        Event::ChunkWithheld(e) => format!("lease {} by {}", e.index, e.provider),
        Event::LeaseVoided(e) => format!("lease {} was not decided", e.index),
        Event::LeaseReopened(e) => format!("lease {}", e.index),
        Event::LeaseClosed(e) => format!("lease {}", e.index),
        Event::JobPosted(e) => {
            format!("{} units, {} base units in escrow, {} of them for audits", e.units, e.deposited, e.audit_reserve)
        }
        Event::JobToppedUp(e) => format!("{} base units added", e.added),
        Event::JobClosed(e) => format!("{} paid, {} burned, {} refunded", e.paid, e.burned, e.refunded),
        _ => String::new(),
    };
    if json {
        serde_json::json!({ "slot": slot, "signature": signature.to_string(), "event": event.name(), "about": about })
            .to_string()
    } else {
        format!("slot {slot}  {}  {about}", event.name())
    }
}
