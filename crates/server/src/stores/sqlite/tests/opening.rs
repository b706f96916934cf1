//! Opening: whose file it is, and what is said when it cannot be used.

use super::*;
