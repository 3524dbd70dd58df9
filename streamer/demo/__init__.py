"""The stage: a local Intersight, an embedded broker and registry, and a scripted day."""
