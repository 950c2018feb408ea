//! A client whose way to a real node is bad: proxies with faults stand between them. What it sends has its effect once, what it
//! follows it sees in full, and where nothing can be done it says so.

mod control;
mod jobs;
mod network;
mod notifications;
mod silence;
mod transfers;
mod wallets;
