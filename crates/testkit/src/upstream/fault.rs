//! Ways to misbehave.

/// A way to misbehave.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Ends the connection after so many bytes of the body.
    TruncateAfter(usize),
    /// Sends so many bytes of the body, then nothing more until the client gives up.
    StallAfter(usize),
    /// Sends the body byte by byte, so many milliseconds apart.
    SlowBytes(u64),
    /// Changes the byte at this offset.
    CorruptByte(usize),
    /// Answers with a status and headers.
    Status(u16, Vec<(String, String)>),
    /// Answers 302.
    RedirectTo(String),
    /// Promises so many bytes more than there are.
    WrongLength(usize),
    /// A chunked body without end.
    EndlessChunked,
    /// Answers 200 with the whole body to a range request.
    IgnoreRange,
    /// Answers 206 with another range than was asked for.
    WrongContentRange,
    /// Ends the connection before any answer.
    DropConnection,
    /// Waits before the answer.
    DelayMillis(u64),
    /// Says that the body is gzip, though nobody asked for that.
    ContentEncodingGzip,
    /// Answers 200 with a page for people.
    HtmlPage,
}
