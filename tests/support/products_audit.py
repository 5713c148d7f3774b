"""What must hold of products, claims and events after any campaign of blows."""

from pathlib import Path

from sqlalchemy import select

from opticstream.core.events import BATCH_PROCESSED
from opticstream.imaging.nifti import read_nifti_info
from opticstream.state import Database
from opticstream.state.tables import claims, outbox
from support.claims_audit import committed_tokens
from support.oct_folder import TILES

PRODUCTS_PER_TILE = 9


def check_products(database: Database, base: Path, batches: int) -> None:
    """One committed token a batch, no overlapping holders, and every product written by the holder of that token."""
    tokens = committed_tokens(database)
    assert len(tokens) == batches
    with database.peek() as connection:
        held = {row.token: row for row in connection.execute(select(claims))}
        processed = select(outbox.c.resource).where(outbox.c.event == BATCH_PROCESSED)
        announced = list(connection.execute(processed).scalars())
    assert len(announced) == len(set(announced)) == len(tokens)
    for unit, token in tokens.items():
        slice_, mosaic, batch = (int(part.rpartition("-")[2]) for part in unit.split("/")[-3:])
        folder = base / f"slice-{slice_:02d}" / "processed"
        for tile in range((batch - 1) * TILES + 1, batch * TILES + 1):
            products = list(folder.glob(f"mosaic_{mosaic:03d}_image_{tile:04d}_*.nii"))
            assert len(products) == PRODUCTS_PER_TILE
            for product in products:
                read_nifti_info(product)
                written = product.stat().st_mtime
                # A loser's files are older than the winner's claim, or younger than its commit.
                assert held[token].claimed_at - 0.05 <= written <= held[token].ended_at + 0.05, product
