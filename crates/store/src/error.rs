//! What can go wrong with the store, told apart by what the caller should do.

/// A store operation failed. None of it happened, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue to the writer is full: answer 503 now.
    #[error("the store's queue is full")]
    Busy,
    /// The database cannot be written at present (disk full, locked, I/O error). Whether the transaction took place
    /// is not known. It may pass by itself.
    #[error("the store cannot be written: {reason}")]
    Unavailable {
        /// What the database said.
        reason: String,
    },
    /// The writer has ended, because the process is shutting down or an fsync failed.
    #[error("the store is closed")]
    Closed,
    /// A stored row cannot be understood.
    #[error("row {id} of table `{table}` is broken: {reason}")]
    BrokenRow {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The fencing token is old: the lease was lost and the work belongs to somebody else.
    #[error("the lease of job {job} was lost")]
    LeaseLost {
        /// The job.
        job: i64,
    },
    /// The database cannot be opened.
    #[error("cannot open database `{path}`: {reason}")]
    Open {
        /// Where it is.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable { .. })
    }
}
