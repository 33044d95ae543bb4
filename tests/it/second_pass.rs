//! After a good pass nothing is written again, whatever the sites do to what they are sent.
