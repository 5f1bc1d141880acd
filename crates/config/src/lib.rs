//! YAML configuration to typed values, with every error at its line.
