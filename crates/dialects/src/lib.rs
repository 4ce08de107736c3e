//! What an API speaks: recognise calls, read facts, render failures, edit messages.
