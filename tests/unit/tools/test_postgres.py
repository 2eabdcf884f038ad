"""The embedded PostgreSQL: how it is set up, and what each role may do."""

from __future__ import annotations

import socket
import stat

import psycopg
import pytest

from tools import postgres, private


@pytest.fixture(scope="module")
def warehouse(pg_server, role_passwords):
    older = dict.fromkeys(role_passwords, "an-older-one")
    postgres.create_warehouse(pg_server, older, name="roles")
    yield postgres.create_warehouse(pg_server, role_passwords, name="roles")  # again: same roles, new passwords
    with psycopg.connect(pg_server.dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE roles WITH (FORCE)")


def test_server_speaks_utf8_and_utc_on_loopback_with_passwords(pg_server):
    with psycopg.connect(pg_server.dsn) as connection:
        show = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]
            for name in ("server_encoding", "timezone", "listen_addresses", "unix_socket_directories")
        }
        order = connection.execute("SELECT array_agg(x ORDER BY x) FROM unnest('{b,B,a,é}'::text[]) x").fetchone()[0]
    expected = {"server_encoding": "UTF8", "timezone": "UTC", "listen_addresses": "127.0.0.1"}
    assert show == {**expected, "unix_socket_directories": ""}
    assert order == ["B", "a", "b", "é"]  # by code point, on every system
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(pg_server.url("postgres", "postgres", "wrong"))


@pytest.mark.parametrize(
    ("role", "table", "temporary"),
    [("energy_owner", True, True), ("energy_loader", False, True), ("energy_reader", False, False)],
)
def test_only_the_owner_makes_tables(warehouse, role, table, temporary):
    def may(statement: str) -> bool:
        with psycopg.connect(warehouse[role]) as connection:
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                return False
            finally:
                connection.rollback()
        return True

    assert may("CREATE TABLE public.t (a int)") is table
    assert may("CREATE SCHEMA s") is table
    assert may("CREATE TEMPORARY TABLE t (a int)") is temporary


def test_databases_are_closed_to_other_roles(pg_server, warehouse):
    url = warehouse["energy_loader"]
    postgres.create_database(pg_server, "other", "somebody", private.new_password(), synchronous_commit="off")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url.replace("/roles", "/other"))
    with psycopg.connect(pg_server.url("other", "postgres", pg_server.password)) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)


def test_taken_port_is_replaced(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert postgres.free_port(port) != port
    assert postgres.free_port(port) == port
    assert postgres.free_port() in postgres.PORTS


def test_only_a_roomy_memory_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(postgres, "MEMORY", tmp_path)
    monkeypatch.setattr(postgres, "ROOM", 0)
    assert postgres.in_memory() == tmp_path
    monkeypatch.setattr(postgres, "ROOM", 2**60)
    assert postgres.in_memory() is None
    monkeypatch.setattr(postgres, "MEMORY", tmp_path / "none")
    assert postgres.in_memory() is None


def test_private_file_is_private_even_where_another_stood(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    private.write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_failed_start_shows_the_servers_own_words(pg_server):
    elsewhere = postgres.at(pg_server.datadir.parent / "second", pg_server.port, private.new_password())
    with pytest.raises(RuntimeError, match=rf"(?s)port {pg_server.port}.*Address already in use"):
        elsewhere.start(durable=False)
