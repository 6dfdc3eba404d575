//! `check-config`: what can be found wrong before anything is read for good. Every finding says what to do.

use std::collections::HashMap;
use std::path::Path;

use supervision::standard::Standards;

use crate::config::{Config, SourceConfig, SourceKind};
use crate::connector::{LegacySource, Probe, nearest};
use crate::mapping::Mapping;
use crate::watch::{SetUpError, connector};

/// Checks mappings, schedules and, unless `files_only`, every source. `told` hears line by line; `false`: something is
/// wrong that would keep a source from being read.
pub async fn check(
    config: &Config,
    files_only: bool,
    now_ms: i64,
    mut told: impl FnMut(&str),
) -> Result<bool, SetUpError> {
    let standards = Standards::builtin();
    let mut good = true;
    for fault in config.faults() {
        told(&format!("✗ {fault}"));
        good = false;
    }
    let mut first_of: HashMap<String, &str> = HashMap::new();
    if config.sources.is_empty() {
        told("来源：配置中还没有 [[source]]");
        good = false;
    }
    for source in &config.sources {
        told(&format!("来源「{}」", source.name));
        let mapping = match Mapping::load(&source.mapping, &standards) {
            Ok(mapping) => mapping,
            Err(error) => {
                told(&format!("  映射   ✗ {error}"));
                good = false;
                continue;
            }
        };
        told(&format!(
            "  映射   ✓ {} → {} 第 {} 版，取 {} 列",
            source.mapping.display(),
            mapping.standard.title,
            mapping.standard.version,
            mapping.columns.len()
        ));
        for want in mapping.wants() {
            told(&format!("  映射   ✗ {want}"));
            good = false;
        }
        // a record is known by its type, its key and the seat that states it: sources of one agent share their keys
        let record_type = mapping.standard.record_type.clone();
        if let Some(other) = first_of.get(&record_type) {
            told(&format!(
                "  编号   ! 与来源「{other}」报送同一类信息：同一编号视为同一条，后读到的覆盖先读到的。请确认两处编号不会重复，否则分设两个代理"
            ));
        } else {
            first_of.insert(record_type, &source.name);
        }
        tell_schedules(source, now_ms, &mut told)?;
        if files_only {
            continue;
        }
        let mut legacy = connector(source, &mapping, Path::new(""))?;
        good &= probe(source, &mapping, &mut legacy, &mut told).await;
    }
    Ok(good)
}

fn tell_schedules(
    source: &SourceConfig,
    now_ms: i64,
    told: &mut impl FnMut(&str),
) -> Result<(), SetUpError> {
    if let Some(every) = &source.every {
        told(&format!("  周期   ✓ 每隔 {every}"));
    }
    let next = source.schedule(now_ms)?.upcoming(now_ms, 5);
    if !next.is_empty() {
        told(&format!("  周期   ✓ 接下来五次：{}", next.join("，")));
    }
    if let Some(full) = source.full_compare(now_ms)? {
        let next = full.upcoming(now_ms, 5);
        told(&format!("  核对   ✓ 接下来五次：{}", next.join("，")));
    }
    Ok(())
}

async fn probe(
    source: &SourceConfig,
    mapping: &Mapping,
    legacy: &mut LegacySource,
    told: &mut impl FnMut(&str),
) -> bool {
    let probe = match legacy.probe().await {
        Ok(probe) => probe,
        Err(error) => {
            told(&format!("  源     ✗ {error}"));
            return false;
        }
    };
    match source.kind {
        SourceKind::Sqlite => probe_table(source, mapping, &probe, told),
        SourceKind::Csv => probe_files(source, mapping, &probe, told),
    }
}

fn probe_table(
    source: &SourceConfig,
    mapping: &Mapping,
    probe: &Probe,
    told: &mut impl FnMut(&str),
) -> bool {
    let wanted = source.table.as_deref().unwrap_or_default();
    let Some(table) = probe
        .tables
        .iter()
        .find(|t| t.name.eq_ignore_ascii_case(wanted))
    else {
        let near = nearest(wanted, probe.tables.iter().map(|t| t.name.as_str()))
            .map_or(String::new(), |n| format!("，是否指 {n}？"));
        told(&format!("  源     ✗ 没有表或视图 {wanted}{near}"));
        return false;
    };
    told(&format!(
        "  源     ✓ {} 可只读打开；{} 有 {} 行、{} 列",
        source.path.display(),
        table.name,
        table.rows.unwrap_or(0),
        table.columns.len()
    ));
    let mut good = true;
    let names = || table.columns.iter().map(|c| c.name.as_str());
    let update = source.watermark.as_ref().map(|w| &w.column);
    for column in mapping.columns.iter().chain(&source.key).chain(update) {
        if !names().any(|n| n.eq_ignore_ascii_case(column)) {
            let near =
                nearest(column, names()).map_or(String::new(), |n| format!("，是否指 {n}？"));
            told(&format!("  列     ✗ 表中没有列 {column}{near}"));
            good = false;
        }
    }
    if source.key.is_empty() && table.view {
        told(&format!(
            "  主键   ✗ {} 是视图，没有主键也没有行号；请用 key 写明能唯一确定一行的列",
            table.name
        ));
        good = false;
    } else if source.key.is_empty() && !table.columns.iter().any(|c| c.key) {
        told(
            "  主键   ! 没有主键，按行号分辨各行；整理（VACUUM）数据库后行号可能变化，建议配置 key",
        );
    }
    match &table.watermark {
        Some(w) => {
            let mark = if w.faults.is_empty() { "✓" } else { "✗" };
            told(&format!(
                "  增量列 {mark} 最大值 {}，源库时钟 {}，不规则 {} 行",
                w.greatest, w.clock, w.irregular
            ));
            for fault in &w.faults {
                told(&format!("  增量列 ✗ {fault}"));
                good = false;
            }
            for warning in &w.warnings {
                told(&format!("  增量列 ! {warning}"));
            }
        }
        None if source.watermark.is_none() => {
            told("  增量列 ! 未配置，每个周期都核对全表；行数多时请配置 [source.watermark]");
        }
        None => {}
    }
    for column in &table.columns {
        let unmapped = !mapping
            .columns
            .iter()
            .any(|c| c.eq_ignore_ascii_case(&column.name));
        if unmapped && let Some(field) = mapping.standard.field_of_column(&column.name) {
            told(&format!(
                "  建议   列 {} 像是「{}」，如需报送请在映射中加 [fields.{}]",
                column.name, field.label, field.name
            ));
        }
    }
    good
}

fn probe_files(
    source: &SourceConfig,
    mapping: &Mapping,
    probe: &Probe,
    told: &mut impl FnMut(&str),
) -> bool {
    told(&format!(
        "  源     ✓ {} 中有 {} 个 .{} 文件",
        source.path.display(),
        probe.tables.len(),
        source.extension
    ));
    let mut good = true;
    for file in &probe.tables {
        let names = || file.columns.iter().map(|c| c.name.as_str());
        for column in mapping.columns.iter().chain(&source.key) {
            if !names().any(|n| n.eq_ignore_ascii_case(column)) {
                let near =
                    nearest(column, names()).map_or(String::new(), |n| format!("，是否指 {n}？"));
                told(&format!(
                    "  列     ✗ {} 的表头中没有列 {column}{near}",
                    file.name
                ));
                good = false;
            }
        }
    }
    good
}
