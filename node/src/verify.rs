//! `verify`: walks everything that this node has stored and checks it again from the root: statements, headers, chains,
//! bodies, down to each department row.

use std::collections::HashMap;

use protocol::batch::LogState;
use protocol::envelope::Envelope;
use protocol::name::LogName;
use protocol::slice::{self, HeaderFault};
use store::ItemKind;

use crate::error::StepError;
use crate::node::Node;

/// Items read at once.
const PAGE_ITEMS: usize = 64;
/// Faults told one by one.
const FAULTS_MAX: usize = 100;

/// What was checked.
#[derive(Debug, Default)]
pub struct Report {
    /// Headers whose signature verifies.
    pub headers: u64,
    /// Blocks whose body verifies under its header.
    pub blocks: u64,
    /// Entries opened and hashed.
    pub entries: u64,
    /// What does not verify, for people.
    pub faults: Vec<String>,
}

impl Node {
    /// Checks everything stored. `deep` also hashes every entry up to its header's root.
    pub async fn verify(&self, deep: bool) -> Result<Report, StepError> {
        let mut report = Report::default();
        let mut logs: HashMap<LogName, LogState> = HashMap::new();
        let mut after = 0;
        loop {
            let items = self.store().verify_walk(after, PAGE_ITEMS).await?;
            let Some(last) = items.last() else { break };
            after = last.offset;
            for item in items.into_iter().filter(|i| i.kind == ItemKind::Block) {
                if let Err(fault) =
                    self.verify_block(&item.header, item.bytes, deep, &mut logs, &mut report)
                    && report.faults.len() < FAULTS_MAX
                {
                    report
                        .faults
                        .push(format!("接收序号 {}：{fault}", item.offset));
                }
            }
        }
        // where intake says a log stands, the walk must have arrived
        for (log, state) in self.logs().iter() {
            let walked = logs.get(log);
            if walked.is_some_and(|w| w.sequence < state.sequence) {
                report.faults.push(format!(
                    "来源 {} 的日志缺少第 {} 批之前的内容",
                    log.seat, state.sequence
                ));
            }
        }
        Ok(report)
    }

    fn verify_block(
        &self,
        header: &[u8],
        packed: Vec<u8>,
        deep: bool,
        logs: &mut HashMap<LogName, LogState>,
        report: &mut Report,
    ) -> Result<(), String> {
        let envelope = Envelope::from_bytes(header).map_err(|e| e.to_string())?;
        let header = match slice::verify_header(&self.directory(), &envelope) {
            Ok(header) => header,
            // what its seat said before its key was called back, or beside what counts, still verifies
            Err(HeaderFault::DoesNotCount { header, .. }) => *header,
            Err(fault) => return Err(fault.to_string()),
        };
        report.headers += 1;
        let (log, sequence, hash) = (
            header.header().log(),
            header.header().sequence,
            header.reference(),
        );
        let mut complete = true;
        if deep {
            let body = slice::unpack(&packed).map_err(|e| e.to_string())?;
            let verified = slice::verify(header.clone(), body).map_err(|e| e.to_string())?;
            report.entries += verified.opened().len() as u64;
            complete = verified.has_every_leaf();
        }
        report.blocks += 1;
        let state = match logs.get_mut(&log) {
            Some(state) => state,
            None => {
                let directory = self.directory();
                let opening = directory
                    .opening(&log.opening)
                    .ok_or("缺少该日志的开启声明")?;
                logs.entry(log).or_insert(LogState::start(
                    opening.opening(),
                    opening.reference(),
                    log.lane,
                ))
            }
        };
        if state.expects(header.header()) {
            state.advance(hash);
        } else if complete && sequence > state.sequence && self.logs().contains_key(&log) {
            return Err(format!("来源 {} 第 {sequence} 批与前一批不相接", log.seat));
        }
        Ok(())
    }
}
