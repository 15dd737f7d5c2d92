"""Bills as PDF documents: laid out here, computed elsewhere."""

from billing_service.adapters.pdf.document import PdfBillRenderer, evidence_in

__all__ = ["PdfBillRenderer", "evidence_in"]
