//! Prints a list, or one thing in full, as a table or as JSON.

use inlet_domain::MAX_LIMIT;
use serde_json::value::RawValue;

use crate::client::{Client, Pages, Query};
use crate::output::{self, Fields, Progress, Row, Table};

/// Prints a list up to its limit, and says so when there was more.
pub(super) async fn print<R: Row>(mut pages: Pages<'_>, json: bool) -> anyhow::Result<()> {
    if json {
        print_json(&mut pages).await?
    } else {
        print_table::<R>(&mut pages).await?
    }
    if pages.is_cut() {
        output::note("There are more; --limit 0 prints all.");
    }
    Ok(())
}

async fn print_json(pages: &mut Pages<'_>) -> anyhow::Result<()> {
    while let Some(page) = pages.next().await? {
        page.iter().try_for_each(|row| output::json_line(row))?;
    }
    Ok(())
}

async fn print_table<R: Row>(pages: &mut Pages<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(R::HEADINGS);
    let mut progress = Progress::new();
    let mut read = 0;
    while let Some(page) = pages.next().await? {
        for row in &page {
            table.add(serde_json::from_str::<R>(row.get())?.cells());
        }
        read += page.len();
        // Only a full page is followed by another.
        if page.len() == MAX_LIMIT as usize {
            progress.show(&format!("{read} read"));
        }
    }
    drop(progress);
    if table.is_empty() {
        output::note(R::NONE);
        return Ok(());
    }
    Ok(output::line(&table.render(output::is_terminal()))?)
}

/// Prints one thing in full.
pub(super) async fn show(client: &Client, path: &[&str], json: bool) -> anyhow::Result<()> {
    let object: Box<RawValue> = client.get(path, &Query::new()).await?;
    print_object(&object, json)
}

/// Prints an object in full.
pub(super) fn print_object(object: &RawValue, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(output::json_line(object)?);
    }
    let fields: Fields = serde_json::from_str(object.get())?;
    Ok(output::line(&fields.render())?)
}
