"""Tests of organising."""
